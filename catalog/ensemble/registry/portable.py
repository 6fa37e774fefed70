"""A saved ensemble in one file, to be carried to another machine.

The file is a plain tar archive (USTAR) of the ensemble's folder: its files in the order of their names, each with the
same owner, mode and time. The same ensemble gives the same bytes, on any day. Beside it lies its SHA-256, as
``sha256sum --check`` reads it. Reading takes nothing on trust: a file that differs by a single byte from what packing
the same ensemble gives is refused.
"""

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from catalog.ensemble.registry.artefact import CHECKSUMS, Manifest, verify_artefact
from catalog.ensemble.registry.files import sha256_file, write_whole
from catalog.ensemble.registry.keys import folder_name
from catalog.ensemble.space import require_space, told_of_full_disk
from catalog.errors import ArtefactError, ConfigurationError, NotFoundError
from catalog.features import FEATURES_VERSION

__all__ = ["Packed", "extracted", "pack_ensemble", "packed_name", "require_known_features"]

_PREFIX = "rvscat-ensemble-"
_MOST_FILES = 10_000
_AGAIN = "Pack the ensemble again, `rvscat ensembles pack`, and copy the file anew."


@dataclass(frozen=True)
class Packed:
    """A packed ensemble."""

    file: Path
    key: str
    n_files: int
    n_bytes: int
    sha256: str


def packed_name(key: str) -> str:
    """Return the usual name of a packed ensemble."""
    return f"{_PREFIX}{folder_name(key)}.tar"


def pack_ensemble(folder: Path, file: Path) -> Packed:
    """Write a saved ensemble into one file, whole or not at all, and its SHA-256 beside it.

    Parameters
    ----------
    folder : pathlib.Path
        Of the ensemble; it is verified first.
    file : pathlib.Path
        To be written, or written over.

    Returns
    -------
    Packed

    Raises
    ------
    ArtefactError
        The ensemble is damaged.
    NotFoundError
        There is no folder for `file`.
    ConfigurationError
        `file` is something else.
    RvscatError
        The disk is full.
    """
    if not file.parent.is_dir():
        raise NotFoundError(f"There is no folder {file.parent} to write {file.name} into.", "Make it first.")
    if file.exists() and not _is_packed(file):
        raise ConfigurationError(f"{file} is there and is no packed ensemble.", "Give another name.")
    manifest = verify_artefact(folder)
    names = _names(folder)
    require_space(file.parent, sum((folder / name).stat().st_size for name in names), "The packed ensemble")
    with told_of_full_disk(file.parent, "the packed ensemble"):
        # What is said of an older file must not be held against this one.
        _sidecar(file).unlink(missing_ok=True)
        write_whole(file, lambda path: _write_file(folder, names, manifest, path))
        sha256 = sha256_file(file)
        write_whole(_sidecar(file), lambda path: path.write_text(f"{sha256}  {file.name}\n"))
    return Packed(file, manifest.key, len(names), file.stat().st_size, sha256)


@contextmanager
def extracted(file: Path, parent: Path) -> Iterator[tuple[Path, Manifest]]:
    """Unpack an ensemble into a folder that lasts as long as this context, unless it is moved away.

    Parameters
    ----------
    file : pathlib.Path
        Written by `pack_ensemble`.
    parent : pathlib.Path
        Folder of all ensembles: where the temporary folder is made.

    Yields
    ------
    pathlib.Path
        Folder of a whole, verified ensemble.
    Manifest

    Raises
    ------
    NotFoundError
        There is no such file.
    ArtefactError
        The file is damaged, or no packed ensemble; or the ensemble is of another format version or has other labels.
    RvscatError
        The disk is full.
    """
    if not file.is_file():
        raise NotFoundError(f"There is no file {file}.", "Make one where the ensemble is: `rvscat ensembles pack`.")
    _compare_with_sidecar(file)
    parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".unpack-", suffix=".partial", dir=parent))
    try:
        folder = temporary / "ensemble"
        folder.mkdir()
        with told_of_full_disk(parent, "the unpacked ensemble"), file.open("rb") as packed:
            prefix = _extract(packed, file, folder)
            try:
                manifest = verify_artefact(folder)
            except ArtefactError as error:
                message = error.message.replace(f"{folder}/", "").replace(str(folder), str(file))
                raise ArtefactError(f"{file} holds no whole ensemble. {message}", _AGAIN) from error
            # Whatever tar archives may hold that is neither name nor content: only one way to write it is right.
            if prefix != _prefix(manifest) or not _same_bytes(folder, manifest, packed):
                raise ArtefactError(f"{file} is not as rvscat packs this ensemble: it was changed.", _AGAIN)
        yield folder, manifest
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_known_features(manifest: Manifest, file: Path) -> None:
    """Refuse an ensemble whose inputs were made from survey rows in another way than this program makes them."""
    if manifest.features_version != FEATURES_VERSION:
        raise ArtefactError(
            f"The ensemble in {file} was trained on features of version {manifest.features_version}; this rvscat makes "
            f"version {FEATURES_VERSION}.",
            f"Use it with the rvscat that made it: {manifest.versions.get('rvscat', 'see its ensemble.json')}.",
        )


def _sidecar(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _prefix(manifest: Manifest) -> str:
    return f"{_PREFIX}{folder_name(manifest.key)}/"


def _is_packed(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_PREFIX)) == _PREFIX.encode()


def _names(folder: Path) -> list[str]:
    """Return the files of an ensemble that has been verified; what else lies in its folder is not the ensemble's."""
    lines = (folder / CHECKSUMS).read_text().splitlines()
    return sorted([CHECKSUMS, *(line.partition("  ")[2] for line in lines)])


def _write_file(folder: Path, names: list[str], manifest: Manifest, path: Path) -> None:
    with path.open("wb") as target:
        _write_tar(folder, names, manifest, target)


def _write_tar(folder: Path, names: list[str], manifest: Manifest, target: IO[bytes]) -> None:
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in names:
            entry = tarfile.TarInfo(_prefix(manifest) + name)
            entry.size = (folder / name).stat().st_size
            entry.mode = 0o644
            with (folder / name).open("rb") as content:
                archive.addfile(entry, content)


def _compare_with_sidecar(file: Path) -> None:
    sidecar = _sidecar(file)
    if sidecar.is_file():
        expected = sidecar.read_text(errors="replace").partition(" ")[0].strip()
        if sha256_file(file) != expected:
            raise ArtefactError(f"{file} is damaged: its SHA-256 is not the one in {sidecar.name}.", _AGAIN)


def _extract(packed: IO[bytes], file: Path, folder: Path) -> str:
    """Write the files of an archive into `folder`; return what stands before their names."""
    size = file.stat().st_size
    prefixes: set[str] = set()
    n_files = n_bytes = 0
    try:
        with tarfile.open(fileobj=packed, mode="r:") as archive:
            for entry in archive:
                prefix, _, name = entry.name.rpartition("/")
                n_files, n_bytes = n_files + 1, n_bytes + entry.size
                prefixes.add(f"{prefix}/")
                if entry.type != tarfile.REGTYPE:
                    raise _refused(file, f"holds {entry.name!r}, which is no plain file")
                if not prefix.startswith(_PREFIX) or "/" in prefix or len(prefixes) > 1 or name in ("", ".", ".."):
                    raise _refused(file, f"holds {entry.name!r}, which is no file of an ensemble")
                if (folder / name).exists():
                    raise _refused(file, f"holds {entry.name!r} more than once")
                if n_files > _MOST_FILES or n_bytes > size:
                    raise _refused(file, f"holds more than its {size} bytes can")
                if n_files == 1:
                    require_space(folder, size, "The unpacked ensemble")
                content = archive.extractfile(entry)
                assert content is not None
                with (folder / name).open("xb") as target:
                    shutil.copyfileobj(content, target, 1 << 20)
                if (folder / name).stat().st_size != entry.size:
                    raise _refused(file, f"ends in the middle of {entry.name!r}")
    except (tarfile.TarError, EOFError, ValueError) as error:
        if isinstance(error, ArtefactError):
            raise
        raise _refused(file, f"cannot be read as a tar archive ({error})") from error
    if not prefixes:
        raise _refused(file, "holds no files")
    return prefixes.pop()


class _Compared:
    """Stands in for a file that is written: compares with one that is there."""

    def __init__(self, expected: IO[bytes]) -> None:
        self._expected, self._at, self.same = expected, 0, True

    def tell(self) -> int:
        return self._at

    def write(self, data: bytes) -> int:
        self.same &= self._expected.read(len(data)) == data
        self._at += len(data)
        return len(data)


def _same_bytes(folder: Path, manifest: Manifest, packed: IO[bytes]) -> bool:
    """Return whether packing the ensemble gives the very file that it came from."""
    packed.seek(0)
    compared = _Compared(packed)
    _write_tar(folder, _names(folder), manifest, cast("IO[bytes]", compared))
    return compared.same and not packed.read(1)


def _refused(file: Path, what: str) -> ArtefactError:
    return ArtefactError(f"{file} is no whole packed ensemble: it {what}.", _AGAIN)
