"""Zip archives as DataLink gives them: one survey file of many tables, whatever its members are called."""

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys import archives, merging, open_survey
from catalog.surveys.archives import retrieval_type
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.formats import zip_archives
from tests.surveys.datalink_files import (
    pixel_csv,
    pixel_ecsv,
    pixel_fits,
    pixel_votable,
    raw_csv,
    raw_ecsv,
    raw_fits,
    raw_votable,
    write_zip,
)
from tests.surveys.files import FIRST_ID, spectra, write_bulk, xp_coefficients

Read = Callable[[Path, str], SurveyBatch]
RVS, XP = "rvs_mean_spectrum", "xp_continuous_mean_spectrum"
PIXELS = {"csv": pixel_csv, "ecsv": pixel_ecsv, "fits": pixel_fits, "xml": pixel_votable}
RAW = {"csv": raw_csv, "ecsv": raw_ecsv, "fits": raw_fits, "xml": raw_votable}


def individual(columns: dict[str, object], stars: range, suffix: str = "csv") -> dict[str, bytes]:
    return {f"RVS-Gaia DR3 {FIRST_ID + star}.{suffix}": PIXELS[suffix](columns, star) for star in stars}


def check(batch: SurveyBatch, columns: dict[str, list[object]], stars: list[int]) -> None:
    order = np.argsort(batch.columns["source_id"])
    assert batch.columns["source_id"][order].tolist() == [FIRST_ID + star for star in stars]
    for name in ("flux", "flux_error"):
        np.testing.assert_array_equal(batch.columns[name][order], np.stack([columns[name][star] for star in stars]))
    assert batch.columns["combined_ccds"].tolist() == [27] * len(stars)


@pytest.mark.parametrize("suffix", list(PIXELS))
def test_individual_spectra(tmp_path: Path, read: Read, suffix: str) -> None:
    columns = spectra(5)
    path = write_zip(tmp_path / "datalink_output.zip", individual(columns, range(4, -1, -1), suffix))
    check(read(path, RVS), columns, [0, 1, 2, 3, 4])


@pytest.mark.parametrize("suffix", list(RAW))
def test_raw_spectra(tmp_path: Path, read: Read, suffix: str) -> None:
    columns = spectra(3)
    check(read(write_zip(tmp_path / "a.zip", {f"RVS_RAW.{suffix}": RAW[suffix](columns)}), RVS), columns, [0, 1, 2])


@pytest.mark.parametrize("suffix", list(RAW))
def test_xp_one_member_a_star(tmp_path: Path, read: Read, suffix: str) -> None:
    columns = xp_coefficients(3)
    stars = [{name: [values[i]] for name, values in columns.items()} for i in range(3)]
    members = {f"XP_CONTINUOUS-Gaia DR3 {FIRST_ID + i}.{suffix}": RAW[suffix](star) for i, star in enumerate(stars)}
    batch = read(write_zip(tmp_path / "a.zip", members), XP)
    assert batch.columns["source_id"].tolist() == columns["source_id"]
    np.testing.assert_array_equal(batch.columns["bp_coefficients"], np.stack(columns["bp_coefficients"]))
    np.testing.assert_array_equal(batch.columns["rp_coefficients"], np.stack(columns["rp_coefficients"]))


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "xml"])
def test_real_products_of_one_star(tmp_path: Path, read: Read, release: Release, real_data: Path, suffix: str) -> None:
    """A download of several retrieval types, put together from real members."""
    star = 5937083312263887616
    sampled = (real_data / f"xp/datalink_xp_sampled_{star}.{suffix}").read_bytes()
    continuous = (real_data / f"xp/xp_continuous_raw_2stars.{suffix}").read_bytes()
    members = {f"XP_SAMPLED-Gaia DR3 {star}.{suffix}": sampled, f"XP_CONTINUOUS_RAW.{suffix}": continuous}
    path = write_zip(tmp_path / "datalink_output.zip", members)
    assert read(path, XP).columns["source_id"].tolist() == [5762406957886626816, 5853498713190525696]
    survey = open_survey(path, XP, release)
    list(survey.batches())
    assert f"{XP}: members of the archive that are not read: 1 XP_SAMPLED" in survey.notices.sentences
    with pytest.raises(FormatError, match=rf"{path} holds XP_SAMPLED, XP_CONTINUOUS and no {RVS}"):
        read(path, RVS)


def test_real_spectra_in_an_archive(tmp_path: Path, read: Read, real_data: Path) -> None:
    files = sorted((real_data / "rvs").glob("rvs_*"))
    assert len(files) == 9
    path = write_zip(
        tmp_path / "a.zip", {f"RVS-Gaia DR3 {i}{file.suffix}": file.read_bytes() for i, file in enumerate(files)}
    )
    batch = read(path, RVS)
    for file in files:
        alone = read(file, RVS).columns
        star = batch.columns["source_id"].tolist().index(alone["source_id"][0])
        np.testing.assert_array_equal(batch.columns["flux"][star], alone["flux"][0])


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("RVS-Gaia DR3 12.csv", "RVS"),
        ("RVS_RAW.xml", "RVS"),
        ("XP_CONTINUOUS_COMBINED.fits", "XP_CONTINUOUS"),
        ("folder/MCMC_MSC-Gaia DR3 12.xml", "MCMC_MSC"),
        ("MEAN_SPECTRUM_RVS-Gaia DR4 12.fits", "MEAN_SPECTRUM_RVS"),
        ("IC_2391.txt", None),
        ("GaiaSource_000000-003111.csv.gz", None),
        ("nodup.csv", None),
    ],
)
def test_names_tell_the_retrieval_type(member: str, kind: str | None) -> None:
    assert retrieval_type(member) == kind


def test_members_of_other_names_are_the_products_own(tmp_path: Path, read: Read) -> None:
    columns = spectra(4)
    half = {name: values[:2] for name, values in columns.items()}
    rest = {name: values[2:] for name, values in columns.items()}
    first = write_bulk(tmp_path / "one.csv.gz", RVS, half).read_bytes()
    second = write_bulk(tmp_path / "two.csv", RVS, rest).read_bytes()
    path = write_zip(
        tmp_path / "a.zip",
        {"some/": b"", "some/one.csv.gz": first, "two.csv": second, "__MACOSX/._two.csv": b"\0", ".DS_Store": b"\0"},
    )
    check(read(path, RVS), columns, [0, 1, 2, 3])


def test_small_batches_are_joined_and_sorted(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_ROWS", 4)
    monkeypatch.setattr(zip_archives, "_JOINED_BYTES", 300_000)
    columns = spectra(10)
    path = write_zip(tmp_path / "a.zip", individual(columns, range(9, -1, -1)))
    batches = list(open_survey(path, RVS, release).batches())
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert all((np.diff(batch.columns["source_id"]) > 0).all() for batch in batches)
    assert [batch.fraction for batch in batches] == sorted(batch.fraction for batch in batches)
    assert batches[-1].fraction == 1.0
    numbers = np.concatenate([batch.row_number for batch in batches])
    assert len(set(numbers.tolist())) == 10


def test_joined_members_read_like_single_ones(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = spectra(6)
    path = write_zip(tmp_path / "a.zip", individual(columns, range(6)))
    joined = read(path, RVS)
    monkeypatch.setattr(zip_archives, "_JOINED_BYTES", 0)
    single = read(path, RVS)
    for name, values in joined.columns.items():
        np.testing.assert_array_equal(values, single.columns[name])


def test_members_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = spectra(3)
    members = individual(columns, range(3)) | individual(columns, range(2), "fits")
    without_end = next(iter(members)), members[next(iter(members))].rstrip(b"\n")
    archive = zip_archives.ZipArchive(write_zip(tmp_path / "a.zip", [without_end, *list(members.items())[1:]]), list)
    parts = list(archive.parts(lambda _: True))
    # A last line without its end must not run into the next member.
    assert [len(part.singles) for part in parts] == [0, 2, 0, 0]
    assert parts[1].member == f"RVS-Gaia DR3 {FIRST_ID + 1}.csv and 1 more"


def test_a_bad_row_names_its_member(tmp_path: Path, read: Read) -> None:
    columns = spectra(4)
    members = individual(columns, range(4))
    wrong = f"RVS-Gaia DR3 {FIRST_ID + 2}.csv"
    members[wrong] = b"\n".join(members[wrong].splitlines()[:-1]) + b"\n"
    batch = read(write_zip(tmp_path / "a.zip", members), RVS)
    check(batch, columns, [0, 1, 3])
    [rejection] = batch.rejections
    assert (rejection.rule, rejection.identifier) == ("n_pixels", str(FIRST_ID + 2))
    assert rejection.reason == f"{wrong}, row 1: wrong number of pixels: 2400, not 2401"


@pytest.mark.parametrize("suffix", list(PIXELS))
def test_one_spectrum_off_the_grid_is_set_aside_and_nothing_but_such_refuses(
    tmp_path: Path, read: Read, suffix: str
) -> None:
    columns = spectra(3)
    wrong = spectra(3, n_pixels=961)
    name = f"RVS-Gaia DR3 {FIRST_ID + 1}.{suffix}"
    members = individual(columns, range(3), suffix) | {name: PIXELS[suffix](wrong, 1)}
    batch = read(write_zip(tmp_path / "a.zip", members), RVS)
    check(batch, columns, [0, 2])
    assert [(row.rule, row.reason) for row in batch.rejections] == [
        ("n_pixels", f"{name}, row 1: wrong number of pixels: 961, not 2401")
    ]
    path = write_zip(tmp_path / "b.zip", individual(wrong, range(3), suffix))
    with pytest.raises(
        FormatError, match=rf"{path}/RVS-Gaia DR3 {FIRST_ID}\.{suffix} holds no spectrum on the pixel grid"
    ):
        read(path, RVS)


def test_one_star_in_two_neighbouring_members(tmp_path: Path, read: Read) -> None:
    columns = spectra(2)
    data = pixel_csv(columns, 0)
    members = [
        ("RVS-Gaia DR3 1.csv", data),
        ("RVS-Gaia DR3 2.csv", data),
        ("RVS-Gaia DR3 3.csv", pixel_csv(columns, 1)),
    ]
    batch = read(write_zip(tmp_path / "a.zip", members), RVS)
    assert sorted(batch.columns["source_id"].tolist()) == [FIRST_ID, FIRST_ID, FIRST_ID + 1]
    assert not batch.rejections


@pytest.mark.parametrize("suffix", list(PIXELS))
def test_a_bad_member_refuses_the_archive_by_name(tmp_path: Path, read: Read, suffix: str) -> None:
    members = individual(spectra(3), range(3), suffix)
    wrong = f"RVS-Gaia DR3 {FIRST_ID + 1}.{suffix}"
    data = members[wrong]
    members[wrong] = data.replace(b",847.00,", b",847.00,oops", 1) if suffix == "csv" else data[: len(data) // 2]
    if suffix == "ecsv":
        members[wrong] = data.replace(b"\n847.00,", b"\n847.00,oops", 1)
    path = write_zip(tmp_path / "a.zip", members)
    with pytest.raises(FormatError) as caught:
        read(path, RVS)
    assert f"{path}/{wrong}" in caught.value.message
    assert "rvscat-" not in caught.value.message


def damaged(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "cut":
        del data[len(data) // 2 :]
    elif kind == "member":
        data[5000] ^= 0xFF
    elif kind == "checksum":
        # The CRC of the first member, in its own header and in the list at the end.
        with zipfile.ZipFile(path) as archive:
            crc = archive.infolist()[0].CRC.to_bytes(4, "little")
        data[:] = bytes(data).replace(crc, b"\1\2\3\4")
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["cut", "member", "checksum"])
def test_damaged_archives_are_refused(tmp_path: Path, read: Read, kind: str) -> None:
    path = write_zip(tmp_path / "a.zip", individual(spectra(3), range(3)))
    damaged(path, kind)
    with pytest.raises(FormatError, match=r"a\.zip is a truncated or damaged archive") as caught:
        read(path, RVS)
    assert caught.value.remedy


def test_archives_without_members_are_refused(tmp_path: Path, read: Read) -> None:
    with pytest.raises(FormatError, match="an archive without any file"):
        read(write_zip(tmp_path / "a.zip", {}), RVS)
    with pytest.raises(FormatError, match="an archive without any file"):
        read(write_zip(tmp_path / "b.zip", {"folder/": b"", "__MACOSX/x": b""}), RVS)


def test_an_encrypted_member_is_refused(tmp_path: Path, read: Read) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.csv": b"a,b\n1,2\n"})
    data = bytearray(path.read_bytes())
    # Bit 0 of the flags, in the member's header and in the list.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match=r"a\.zip/a\.csv is encrypted"):
        read(path, RVS)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, read: Read) -> None:
    path = write_zip(tmp_path / "a.zip", {"RVS_RAW.csv": b"0" * 50_000_000})
    assert path.stat().st_size < 60_000
    tracemalloc.start()
    with pytest.raises(FormatError, match="would unpack to 50,000,000 bytes, more than 200 times its size"):
        read(path, RVS)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path, read: Read) -> None:
    path = write_zip(tmp_path / "a.zip", {"RVS_RAW.csv": b"0" * 1_000_000})
    data = path.read_bytes().replace((1_000_000).to_bytes(4, "little"), (5_000).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(FormatError, match="truncated or damaged archive"):
        read(path, RVS)


def test_an_archive_inside_an_archive_is_refused(tmp_path: Path, read: Read) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"a.csv": b"a,b\n1,2\n"}).read_bytes()
    path = write_zip(tmp_path / "a.zip", {"inner.zip": inner})
    with pytest.raises(FormatError, match=r"a\.zip/inner\.zip is an archive inside an archive"):
        read(path, RVS)


@pytest.mark.parametrize("name", ["../../escaped.csv", "/escaped.csv", "C:\\escaped.csv", "a\nb.csv", "x" * 300])
def test_names_lead_nowhere(tmp_path: Path, read: Read, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = spectra(1)
    inside = tmp_path / "a" / "b" / "c"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    path = write_zip(inside / "a.zip", {name: pixel_csv(columns, 0)})
    before = sorted(tmp_path.rglob("*"))
    check(read(path, RVS), columns, [0])
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/escaped.csv").exists()


def test_no_temporary_file_stays(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(zip_archives, "_SMALL_BYTES", 1000)
    path = write_zip(tmp_path / "a.zip", individual(spectra(3), range(3)))
    assert sum(len(batch) for batch in open_survey(path, RVS, release).batches()) == 3
    assert list((tmp_path / "temporary").iterdir()) == []
    batches = archives.archive_batches(*_opened(path, release))
    next(batches)
    batches.close()
    assert list((tmp_path / "temporary").iterdir()) == []


def _opened(path: Path, release: Release) -> tuple:
    survey = open_survey(path, RVS, release)
    return survey.product, survey.content, survey.release, survey.notices


def test_large_members_need_room(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_archives, "_SMALL_BYTES", 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    path = write_zip(tmp_path / "a.zip", individual(spectra(1), range(1)))
    with pytest.raises(FormatError, match=r"unpacks to \d+,\d+ bytes, and .* has 100 left") as caught:
        read(path, RVS)
    assert "TMPDIR" in caught.value.remedy


def test_memory_is_bounded(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_ROWS", 20)
    monkeypatch.setattr(zip_archives, "_JOINED_BYTES", 1 << 20)
    columns = spectra(20)
    members = {}
    for i in range(120):
        columns["source_id"][i % 20] = FIRST_ID + i
        members[f"RVS-Gaia DR3 {FIRST_ID + i}.csv"] = pixel_csv(columns, i % 20)
    path = write_zip(tmp_path / "a.zip", members)
    unpacked = sum(map(len, members.values()))
    del members
    tracemalloc.start()
    n_stars = sum(len(batch) for batch in open_survey(path, RVS, release).batches())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_stars == 120
    assert peak < 12 << 20 < unpacked
