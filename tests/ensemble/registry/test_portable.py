import io
import json
import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from catalog.ensemble.registry.artefact import CHECKSUMS, verify_artefact
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.registry.portable import extracted, pack_ensemble, packed_name
from catalog.errors import ArtefactError, ConfigurationError, NotFoundError, RvscatError

PREFIX = f"rvscat-ensemble-{'a' * 16}"


@pytest.fixture
def packed(artefact: Path, tmp_path: Path) -> Path:
    file = tmp_path / "packed.tar"
    pack_ensemble(artefact, file)
    (tmp_path / "packed.tar.sha256").unlink()
    return file


def refuse(file: Path, words: str, error: type[RvscatError] = ArtefactError) -> None:
    """The file is refused, and nothing of it is left."""
    parent = file.parent / "ensembles"
    with pytest.raises(error, match=words), extracted(file, parent):
        pytest.fail("it was taken")
    assert not parent.exists() or not list(parent.iterdir())


def test_what_was_packed_comes_back(artefact: Path, tmp_path: Path) -> None:
    found = pack_ensemble(artefact, tmp_path / "x.tar")
    assert (found.key, found.n_files, found.n_bytes) == ("a" * 64, 6, (tmp_path / "x.tar").stat().st_size)
    assert found.sha256 == sha256_file(tmp_path / "x.tar")
    assert (tmp_path / "x.tar.sha256").read_text() == f"{found.sha256}  x.tar\n"
    with extracted(tmp_path / "x.tar", tmp_path / "ensembles") as (folder, manifest):
        assert manifest == verify_artefact(artefact)
        assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
            f.name: f.read_bytes() for f in artefact.iterdir()
        }
    assert list((tmp_path / "ensembles").iterdir()) == []
    # Any tar reads it.
    with tarfile.open(tmp_path / "x.tar") as archive:
        names = archive.getnames()
    assert names == [f"{PREFIX}/{name}" for name in sorted(file.name for file in artefact.iterdir())]
    assert packed_name(found.key) == f"{PREFIX}.tar"


def test_the_same_ensemble_gives_the_same_bytes(artefact: Path, tmp_path: Path, packed: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(artefact, elsewhere)
    for file in elsewhere.iterdir():
        os.utime(file, (time.time() + 1e6, 1e9))
        file.chmod(0o600)
    (elsewhere / "notes.txt").write_text("not the ensemble's")
    pack_ensemble(elsewhere, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()
    with tarfile.open(packed) as archive:
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in archive} == {(0, 0, 0, "", "", 0o644)}
    # Written over by its like, but never over anything else.
    pack_ensemble(artefact, packed)
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(ConfigurationError, match=r"letter\.txt is there and is no packed ensemble"):
        pack_ensemble(artefact, tmp_path / "letter.txt")
    assert (tmp_path / "letter.txt").read_text() == "dear reader"


def test_a_damaged_ensemble_is_not_packed(artefact: Path, tmp_path: Path) -> None:
    (artefact / "scalers.json").write_text("{}")
    with pytest.raises(ArtefactError, match=r"scalers\.json has been altered"):
        pack_ensemble(artefact, tmp_path / "x.tar")
    with pytest.raises(NotFoundError, match="no folder"):
        pack_ensemble(artefact, tmp_path / "nowhere" / "x.tar")
    assert not list(tmp_path.glob("x.tar*"))
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_leaves_nothing(artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(RvscatError, match="could not be saved"):
        pack_ensemble(artefact, tmp_path / "x.tar")
    assert not list(tmp_path.glob("*x.tar*"))
    monkeypatch.undo()
    pack_ensemble(artefact, tmp_path / "x.tar")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    refuse(tmp_path / "x.tar", "could not be saved", RvscatError)


def test_any_byte_that_was_changed_is_found(packed: Path) -> None:
    original = packed.read_bytes()
    # Headers, the ends of files that fill up a block, contents, and the end of the archive.
    with tarfile.open(packed) as archive:
        entries = list(archive)
    places = {4, 100, 140, 150, 156, 257, 300, 500}
    places |= {entry.offset + 3 for entry in entries} | {entry.offset_data + entry.size // 2 for entry in entries}
    places |= {entry.offset_data + entry.size for entry in entries if entry.size % 512}
    places |= {entries[-1].offset_data + entries[-1].size + 700, len(original) - 1}
    for place in sorted(places):
        changed = bytearray(original)
        changed[place] ^= 1
        packed.write_bytes(changed)
        refuse(packed, "packed")
    for length in (0, 100, 512, len(original) // 2, len(original) - 512, len(original) - 1):
        packed.write_bytes(original[:length])
        refuse(packed, "packed")
    packed.write_bytes(original + b"\0")
    refuse(packed, "not as rvscat packs")
    packed.write_bytes(original)
    with extracted(packed, packed.parent / "ensembles"):
        pass


def test_the_checksum_beside_it_counts(packed: Path) -> None:
    sidecar = packed.with_name("packed.tar.sha256")
    sidecar.write_text(f"{'0' * 64}  packed.tar\n")
    refuse(packed, r"its SHA-256 is not the one in packed\.tar\.sha256")
    sidecar.write_text(f"{sha256_file(packed)}  packed.tar\n")
    with extracted(packed, packed.parent / "ensembles"):
        pass
    refuse(packed.with_name("absent.tar"), "no file", NotFoundError)
    (packed.with_name("letter.txt")).write_text("dear reader")
    refuse(packed.with_name("letter.txt"), "cannot be read as a tar archive")


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("../outside", {}, "no file of an ensemble"),
        ("/tmp/outside", {}, "no file of an ensemble"),
        (f"{PREFIX}/../outside", {}, "no file of an ensemble"),
        (f"{PREFIX}/inner/outside", {}, "no file of an ensemble"),
        (f"{PREFIX}/..", {}, "no file of an ensemble"),
        ("rvscat-ensemble-b/outside", {}, "no file of an ensemble"),
        (f"{PREFIX}/scalers.json", {}, "more than once"),
        (f"{PREFIX}/link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "no plain file"),
        (f"{PREFIX}/link", {"type": tarfile.LNKTYPE, "linkname": f"{PREFIX}/scalers.json"}, "no plain file"),
        (f"{PREFIX}/device", {"type": tarfile.CHRTYPE}, "no plain file"),
        (f"{PREFIX}/pipe", {"type": tarfile.FIFOTYPE}, "no plain file"),
        (f"{PREFIX}/folder", {"type": tarfile.DIRTYPE}, "no plain file"),
        (f"{PREFIX}/more", {}, "not as rvscat packs"),
    ],
)
def test_an_archive_that_reaches_out_is_refused(
    packed: Path, name: str, settings: dict[str, object], words: str
) -> None:
    with tarfile.open(packed, "a") as archive:
        entry = tarfile.TarInfo(name)
        for field, value in settings.items():
            setattr(entry, field, value)
        archive.addfile(entry, io.BytesIO())
    refuse(packed, words)
    assert not (packed.parent / "outside").exists()


def test_an_archive_that_promises_too_much_is_refused(packed: Path) -> None:
    entry = tarfile.TarInfo(f"{PREFIX}/huge")
    entry.size = 1 << 40
    packed.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + packed.read_bytes())
    refuse(packed, "more than its .* bytes can")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"labels": ["teff", "logg"]}, "gives the labels teff, logg"),
        ({"key": "f" * 64}, "not as rvscat packs"),
    ],
)
def test_another_kind_of_ensemble_is_refused(
    artefact: Path, packed: Path, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    """As a program of another version would have packed it: with checksums that are right."""
    manifest = artefact / "ensemble.json"
    old = sha256_file(manifest)
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}, indent=1))
    checksums = artefact / CHECKSUMS
    checksums.write_text(checksums.read_text().replace(old, sha256_file(manifest)))
    with tarfile.open(packed, "w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(artefact.iterdir()):
            entry = tarfile.TarInfo(f"{PREFIX}/{file.name}")
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(entry, content)
    refuse(packed, words)
