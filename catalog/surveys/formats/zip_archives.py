"""Zip archives: their members are tables of any other format, opened one after another.

Nothing is unpacked to a path that the archive names: a member is read by its entry and lies in a temporary
file while it is parsed. Small CSV members with the same header line are joined and parsed at once, since
opening a table costs more than reading a spectrum.
"""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.errors import FormatError
from catalog.surveys.ahead import Ahead
from catalog.surveys.tables import RawBlock, RawTable

__all__ = ["MAGIC", "Part", "ZipArchive"]

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How an archive begins; the second is one without members."""

_SMALL_BYTES = 4 << 20
_JOINED_BYTES = 8 << 20

# Numbers as text shrink tenfold; deflate's own limit, which bombs reach, is a thousandfold.
_LARGEST_RATIO = 200

_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError)

Opener = Callable[[Path], list[RawTable]]


@dataclass(frozen=True)
class Part:
    """A member of an archive, or several that were joined; valid while the archive is iterated."""

    member: str
    open: Callable[[], AbstractContextManager[list[RawTable]]]
    """Gives its tables, which can be read until the context is left."""
    fraction: float
    """Part of the archive that has been read when this one has, 0 to 1."""
    singles: tuple["Part", ...] = ()
    """The same members one by one; empty when nothing was joined."""


@dataclass(frozen=True)
class _Member:
    info: zipfile.ZipInfo
    fraction: float
    data: bytes | None = None
    """Its bytes, when it is small."""
    header: bytes = b""
    """Its first line, when it is small and plain CSV."""


class ZipArchive:
    """The members of a zip file.

    Parameters
    ----------
    path : Path
    opener : callable
        Gives the tables of an unpacked member.

    Raises
    ------
    FormatError
        The archive is truncated or damaged, holds no member, or one that is encrypted or suspiciously small.
    """

    def __init__(self, path: Path, opener: Opener) -> None:
        self.path = path
        self._opener = opener
        with self._reading("its list of members"), zipfile.ZipFile(path) as archive:
            self._infos = [info for info in archive.infolist() if not _is_litter(info)]
        if not self._infos:
            raise FormatError(f"{path} is an archive without any file.", "Download the file again.")
        for info in self._infos:
            self._check(info)

    @property
    def members(self) -> list[str]:
        """Names of the members, in the order of the archive."""
        return [info.filename for info in self._infos]

    def parts(self, wanted: Callable[[str], bool]) -> Generator[Part, None, None]:
        """Yield the members whose names are `wanted`, in the order of the archive.

        Raises
        ------
        FormatError
            A member is damaged; those that came before it must be thrown away.
        """
        infos = [info for info in self._infos if wanted(info.filename)]
        with (
            self._reading("its list of members"),
            zipfile.ZipFile(self.path) as archive,
            tempfile.TemporaryDirectory(prefix="rvscat-") as folder,
            # The next members are decompressed while these are parsed.
            Ahead(_joined(self._read(archive, infos))) as groups,
        ):
            for group in groups:
                singles = tuple(self._part(archive, [member], Path(folder)) for member in group)
                yield replace(self._part(archive, group, Path(folder)), singles=singles) if singles[1:] else singles[0]

    def _check(self, info: zipfile.ZipInfo) -> None:
        shown = self._shown(info.filename)
        if info.flag_bits & 1:
            raise FormatError(f"{shown} is encrypted.", "Pack it again without a password.")
        if info.file_size > _LARGEST_RATIO * max(info.compress_size, 1024):
            raise FormatError(
                f"{shown} would unpack to {info.file_size:,} bytes, more than {_LARGEST_RATIO} times its size.",
                "No survey file shrinks so far: look where the archive comes from.",
            )

    def _read(self, archive: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo]) -> Iterator[_Member]:
        total = sum(info.compress_size for info in infos)
        done = 0
        for info in infos:
            done += info.compress_size
            fraction = done / max(total, 1)
            if info.file_size > _SMALL_BYTES:
                yield _Member(info, fraction)
                continue
            with self._reading(info.filename):
                data = archive.read(info)
            yield _Member(info, fraction, data, _csv_header(data))

    def _part(self, archive: zipfile.ZipFile, members: Sequence[_Member], folder: Path) -> Part:
        name = members[0].info.filename
        if members[1:]:
            name += f" and {len(members) - 1} more"
        copy, shown = folder / "member", self._shown(name)

        @contextmanager
        def opened() -> Iterator[list[RawTable]]:
            self._unpack(archive, members, copy)
            try:
                with _speaking_of(copy, shown):
                    tables = self._opener(copy)
                yield [_renamed(table, copy, shown) for table in tables]
            finally:
                copy.unlink()

        return Part(_printable(name), opened, members[-1].fraction)

    def _unpack(self, archive: zipfile.ZipFile, members: Sequence[_Member], copy: Path) -> None:
        with copy.open("wb") as target:
            if members[1:]:
                target.write(members[0].header)
                for member in members:
                    assert member.data is not None
                    target.write(memoryview(member.data)[len(member.header) :])
                return
            [member] = members
            if member.data is not None:
                target.write(member.data)
                return
            free = shutil.disk_usage(copy.parent).free
            if member.info.file_size > free:
                raise FormatError(
                    f"{self._shown(member.info.filename)} unpacks to {member.info.file_size:,} bytes, "
                    f"and {copy.parent} has {free:,} left.",
                    "Name a larger folder for temporary files in TMPDIR.",
                )
            with self._reading(member.info.filename), archive.open(member.info) as source:
                shutil.copyfileobj(source, target, 1 << 20)

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise FormatError(
                f"{self.path} is a truncated or damaged archive ({_printable(what)}): {error}.",
                "Download the file again; nothing of it was kept.",
            ) from error

    def _shown(self, name: str) -> Path:
        return self.path / _printable(name).lstrip("/")


def _joined(members: Iterator[_Member]) -> Iterator[list[_Member]]:
    """Collect neighbours with the same header line."""
    group: list[_Member] = []
    n_bytes = 0
    for member in members:
        size = len(member.data or b"")
        fits = member.header and group and member.header == group[0].header and n_bytes + size <= _JOINED_BYTES
        # A last line without its end would run into the next member.
        if group and not (fits and (group[-1].data or b"").endswith(b"\n")):
            yield group
            group, n_bytes = [], 0
        group.append(member)
        n_bytes += size
    if group:
        yield group


def _renamed(table: RawTable, copy: Path, shown: Path) -> RawTable:
    def read(names: Sequence[str]) -> Iterator[RawBlock]:
        with _speaking_of(copy, shown):
            yield from table.blocks(names)

    return replace(table, path=shown, reader=read)


@contextmanager
def _speaking_of(copy: Path, shown: Path) -> Iterator[None]:
    """Let messages name the member, not its temporary copy."""
    try:
        yield
    except FormatError as error:
        raise FormatError(error.message.replace(str(copy), str(shown)), error.remedy) from error


def _csv_header(data: bytes) -> bytes:
    line, end, _ = data[: 1 << 16].partition(b"\n")
    is_csv = end and b"," in line and line.isascii() and not line.startswith((b"#", b"<", b"SIMPLE  ="))
    return line + end if is_csv else b""


def _is_litter(info: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is a folder, or a hidden file that a packing program added."""
    parts = info.filename.split("/")
    return info.is_dir() or parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)
