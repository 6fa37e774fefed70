"""CSV and ECSV, plain or gzip, read in blocks of bounded memory.

Dialects: the bulk files of the Gaia archive (ECSV 1.0 with an ``!!omap`` metadata block, nulls printed
``null``), DataLink and TAP CSV and ECSV, and the CSV files of other surveys. All have comma-separated
rows below one header line, and lines that begin with ``#`` above it.

Every column is read as text: numbers are parsed later, so that one bad number costs one row only.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from isal import igzip, igzip_lib

from catalog.errors import FormatError
from catalog.surveys.formats.long_rows import split_long_rows
from catalog.surveys.tables import BULK, RawBlock, RawTable, Rejection

__all__ = ["BLOCK_BYTES", "open_text", "read_stream"]

BLOCK_BYTES = 4 << 20
"""Decompressed bytes read at once: about 80 RVS spectra, which a processor's cache still holds."""

_SHORT = 4096
_COMPRESSION = 64
_GZIP = b"\x1f\x8b"
_META_ENTRY = re.compile(r"# {1,3}(?:- )?([\w.]+): +(\S.*?) *$")
_DELIMITER = re.compile(r"# delimiter: *['\"]?(.)['\"]? *$")


class _Stream:
    """The decompressed bytes of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._file = path.open("rb", buffering=0)
        is_gzip = self._file.read(2) == _GZIP
        self._file.seek(0)
        # ISA-L decompresses more than twice as fast as zlib.
        self._stream = igzip.IGzipFile(fileobj=self._file) if is_gzip else self._file

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._file.close()

    def read(self, n_bytes: int) -> bytes:
        try:
            return self._stream.read(n_bytes) or b""
        except (OSError, EOFError, igzip_lib.error) as error:  # type: ignore[misc]  # isal's stub calls it an instance
            raise self._damaged(error) from error

    def fill(self, view: memoryview) -> int:
        """Read until `view` is full or the file ends; return the bytes that came."""
        done = 0
        try:
            while done < len(view) and (n_bytes := self._stream.readinto(view[done:])):
                done += n_bytes
        except (OSError, EOFError, igzip_lib.error) as error:  # type: ignore[misc]  # isal's stub calls it an instance
            raise self._damaged(error) from error
        return done

    def _damaged(self, error: Exception) -> FormatError:
        return FormatError(
            f"{self._path} is truncated or damaged: {error}.", "Download the file again; nothing of it was kept."
        )

    @property
    def most_bytes(self) -> int:
        """What the file hardly exceeds when it is decompressed: small files need small buffers."""
        return self._size * (_COMPRESSION if self._stream is not self._file else 1) + 1

    @property
    def fraction(self) -> float:
        return min(self._file.tell() / self._size, 1.0)


def read_stream(path: Path) -> Iterator[bytes]:
    """Yield the decompressed bytes of `path`: what reading costs before any parsing.

    Raises
    ------
    FormatError
        The file is truncated or its checksum is wrong.
    """
    with _Stream(path) as stream:
        while data := stream.read(BLOCK_BYTES):
            yield data


def open_text(path: Path) -> RawTable:
    """Read the header of a CSV or ECSV file.

    Raises
    ------
    FormatError
        There is no header line, or it cannot be read.
    """
    comments, header, offset = _read_header(path)
    is_ecsv = bool(comments) and comments[0].startswith("# %ECSV")
    delimiter = ","
    if is_ecsv:
        # Blank is ECSV's default.
        delimiter = next((m.group(1) for line in comments if (m := _DELIMITER.match(line))), " ")
    names = tuple(name.strip() for name in next(csv.reader([header], delimiter=delimiter)))
    meta = _metadata(comments) if is_ecsv else {}
    form = "CSV" if not is_ecsv else BULK if "TABLE" in meta and "RELEASE" in meta else "ECSV"

    def reader(wanted: Sequence[str]) -> Iterator[RawBlock]:
        return _blocks(path, names, wanted, delimiter, offset)

    return RawTable(path, form, names, meta, reader)


def _read_header(path: Path) -> tuple[list[str], str, int]:
    """Return the ``#`` lines, the line of names, and the offset of the first data row."""
    comments: list[str] = []
    data, start = b"", 0
    with _Stream(path) as stream:
        while True:
            end = data.find(b"\n", start)
            if end < 0:
                more = stream.read(1 << 16)
                if more:
                    data += more
                    continue
                end = len(data)
            try:
                line = data[start:end].decode("utf-8-sig").rstrip("\r")
            except UnicodeDecodeError as error:
                raise FormatError(
                    f"{path} is neither text nor any other known format: {error}.",
                    "Unpack .tar archives first; .gz and .zip files are read as they are.",
                ) from error
            if line.strip() and not line.startswith("#"):
                return comments, line, min(end + 1, len(data))
            if end >= len(data):
                raise FormatError(f"{path} holds no line of column names.", "Download the file again.")
            comments.append(line)
            start = end + 1


def _metadata(comments: list[str]) -> dict[str, str]:
    """Return the plain entries of the ECSV ``meta`` block; nested ones are left out."""
    meta: dict[str, str] = {}
    inside = False
    for line in comments:
        if re.match(r"# \w", line):
            inside = line.startswith("# meta:")
        elif re.match(r"# - *$", line):
            inside = False
        elif inside and (match := _META_ENTRY.match(line)):
            meta[match.group(1)] = match.group(2).strip("'\"")
    return meta


def _blocks(
    path: Path, names: tuple[str, ...], wanted: Sequence[str], delimiter: str, offset: int
) -> Iterator[RawBlock]:
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise FormatError(f"{path} has more than one column named {', '.join(twice)}.")
    n_before = 0
    with _Stream(path) as stream:
        while offset and (skipped := stream.read(min(offset, BLOCK_BYTES))):
            offset -= len(skipped)
        for lines, size in _whole_lines(stream):
            # Empty lines may follow the last row.
            if size > _SHORT or lines[:size].strip():
                block = _parse(path, lines, size, names, wanted, delimiter, n_before, stream.fraction)
                n_before += len(block.row_number) + len(block.rejections)
                yield block


def _whole_lines(stream: _Stream) -> Iterator[tuple[bytearray, int]]:
    """Yield what is left of a stream in pieces that end where a line ends: a buffer and the bytes of it that count.

    Buffers are used again: fresh memory costs as much as parsing it. One stays as it is until the next but one is
    asked for. One piece is decompressed while the one before it is parsed: both release the interpreter.
    """
    buffers = cycle([bytearray() for _ in range(3)])
    n_bytes = min(BLOCK_BYTES, stream.most_bytes)

    def fill(rest: bytes) -> tuple[bytearray, int, bool]:
        buffer, size = next(buffers), len(rest) + n_bytes
        if len(buffer) < size:
            buffer.extend(bytes(size + len(rest) - len(buffer)))
        buffer[: len(rest)] = rest
        n_read = stream.fill(memoryview(buffer)[len(rest) : size])
        return buffer, len(rest) + n_read, n_read == 0

    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(fill, b"")
        while True:
            buffer, size, is_last = ahead.result()
            # Rows hold no line ends: a piece stops at the last one.
            cut = size if is_last else buffer.rfind(b"\n", 0, size) + 1
            if not is_last:
                ahead = worker.submit(fill, bytes(memoryview(buffer)[cut:size]))
            if cut:
                yield buffer, cut
            if is_last:
                return


def _parse(
    path: Path,
    buffer: bytearray,
    size: int,
    names: tuple[str, ...],
    wanted: Sequence[str],
    delimiter: str,
    n_before: int,
    fraction: float,
) -> RawBlock:
    indices = [names.index(name) for name in wanted]
    if delimiter == "," and (split := split_long_rows(buffer, size, len(names), indices)):
        n_rows = len(split[0])
        row_number = np.arange(n_before + 1, n_before + n_rows + 1, dtype=np.int64)
        return RawBlock(dict(zip(wanted, split, strict=True)), row_number, [], fraction)
    lines = memoryview(buffer)[:size]
    malformed: list[Rejection] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} fields where the header has {row.expected_columns} columns"
        malformed.append(Rejection(n_before + row.number, None, "columns", reason))
        return "skip"

    # Columns are numbered: headers may hold one name twice.
    keys = [str(i) for i in range(len(names))]
    chosen = [keys[index] for index in indices]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(pa.py_buffer(lines)),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=keys),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            convert_options=pa.csv.ConvertOptions(
                include_columns=chosen,
                column_types=dict.fromkeys(chosen, pa.string()),
                null_values=["", "null"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise FormatError(f"{path}, rows after {n_before}: {error}.") from error
    n_rows = table.num_rows + len(malformed)
    # bytes.count is several times slower.
    n_lines = np.count_nonzero(np.frombuffer(lines, dtype=np.uint8) == ord("\n")) + (lines[-1] != ord("\n"))
    if n_rows != n_lines and n_rows != sum(1 for line in lines.tobytes().splitlines() if line):
        raise FormatError(f"{path}, rows after {n_before}: a quoted field runs over the end of its line.")
    row_number = np.arange(n_before + 1, n_before + n_rows + 1, dtype=np.int64)
    if malformed:
        row_number = np.setdiff1d(row_number, [row.row_number for row in malformed])
    columns = {name: _one_array(table[key]) for name, key in zip(wanted, chosen, strict=True)}
    return RawBlock(columns, row_number, malformed, fraction)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    # combine_chunks would copy even a single chunk.
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
