"""Lists of checksums: what is read, and what no archive may talk us into."""

import pytest

from catalog.fetch import FetchError
from catalog.fetch.checksums import archive_files

MD5 = "0123456789abcdef0123456789ABCDEF"
URL = "https://archive.example/rvs/_MD5SUM.txt"


def read(text: str) -> tuple[list[str], list[str]]:
    files, others = archive_files(text, "RvsMeanSpectrum", 8, URL)
    return [each.name for each in files], others


def test_names_checksums_and_ranges() -> None:
    files, others = archive_files(
        f"{MD5}  RvsMeanSpectrum_003112-005263.csv.gz\r\n\n"
        f"{MD5} *RvsMeanSpectrum_000000-003111.csv.gz\n{MD5}  ./_citation.txt",
        "RvsMeanSpectrum",
        8,
        URL,
    )
    assert [each.name for each in files] == [
        "RvsMeanSpectrum_000000-003111.csv.gz",
        "RvsMeanSpectrum_003112-005263.csv.gz",
    ]
    assert files[0].md5 == MD5.lower()
    # Archive documentation: the level-8 pixel is source_id / 8796093022208.
    assert files[1].source_ids == (3112 * 8_796_093_022_208, 5264 * 8_796_093_022_208 - 1)
    assert others == ["_citation.txt"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{MD5}  ../RvsMeanSpectrum_000000-003111.csv.gz", "not taken as a file name"),
        (f"{MD5}  /etc/passwd", "not taken as a file name"),
        (f"{MD5}  ..", "not taken as a file name"),
        (f"{MD5}  a b", "not taken as a file name"),
        ("<!DOCTYPE html>", "not a checksum and a name"),
        (MD5, "not a checksum and a name"),
        ("0123  RvsMeanSpectrum_000000-003111.csv.gz", "not a checksum and a name"),
        (f"{'0' * 32}  RvsMeanSpectrum_000000-000001.csv.gz", "twice, with different checksums"),
    ],
)
def test_a_bad_line_is_named(line: str, words: str) -> None:
    good = f"{MD5}  RvsMeanSpectrum_000000-000001.csv.gz\n"
    with pytest.raises(FetchError, match=rf"_MD5SUM.txt, line 2: .*{words}"):
        read(good + line)


@pytest.mark.parametrize("text", ["", f"{MD5}  GaiaSource_000000-003111.csv.gz", f"{MD5}  RvsMeanSpectrum_2-1.csv.gz"])
def test_a_list_without_a_wanted_file(text: str) -> None:
    with pytest.raises(FetchError, match="lists no file RvsMeanSpectrum_"):
        read(text)
