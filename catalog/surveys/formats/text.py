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
            raise FormatError(
                f"{self._path} is truncated or damaged: {error}.", "Download the file again; nothing of it was kept."
            ) from error

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
    with _Stream(path) as stream, ThreadPoolExecutor(1) as worker:
        rest = b""
        while offset and (skipped := stream.read(min(offset, BLOCK_BYTES))):
            offset -= len(skipped)
        # One block is decompressed while the one before it is parsed: both release the interpreter.
        ahead = worker.submit(stream.read, BLOCK_BYTES)
        while True:
            data, fraction = ahead.result(), stream.fraction
            ahead = worker.submit(stream.read, BLOCK_BYTES if data else 0)
            # Rows hold no line ends: a block stops at the last one.
            cut = data.rfind(b"\n") + 1 if data else 0
            if data and not cut:
                rest += data
                continue
            lines, rest = b"".join((rest, memoryview(data)[:cut])), data[cut:]
            if lines and not lines.isspace():
                block = _parse(path, lines, names, wanted, delimiter, n_before, fraction)
                n_before += len(block.row_number) + len(block.rejections)
                yield block
            if not data:
                return


def _parse(
    path: Path,
    lines: bytes,
    names: tuple[str, ...],
    wanted: Sequence[str],
    delimiter: str,
    n_before: int,
    fraction: float,
) -> RawBlock:
    if delimiter == "," and (split := split_long_rows(lines, len(names), [names.index(name) for name in wanted])):
        n_rows = len(split[0])
        row_number = np.arange(n_before + 1, n_before + n_rows + 1, dtype=np.int64)
        return RawBlock(dict(zip(wanted, split, strict=True)), row_number, [], fraction)
    malformed: list[Rejection] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} fields where the header has {row.expected_columns} columns"
        malformed.append(Rejection(n_before + row.number, None, "columns", reason))
        return "skip"

    # Columns are numbered: headers may hold one name twice.
    keys = [str(i) for i in range(len(names))]
    chosen = [keys[names.index(name)] for name in wanted]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(lines),
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
    n_lines = np.count_nonzero(np.frombuffer(lines, dtype=np.uint8) == ord("\n")) + (not lines.endswith(b"\n"))
    if n_rows != n_lines and n_rows != sum(1 for line in lines.splitlines() if line):
        raise FormatError(f"{path}, rows after {n_before}: a quoted field runs over the end of its line.")
    row_number = np.arange(n_before + 1, n_before + n_rows + 1, dtype=np.int64)
    if malformed:
        row_number = np.setdiff1d(row_number, [row.row_number for row in malformed])
    columns = {name: _one_array(table[key]) for name, key in zip(wanted, chosen, strict=True)}
    return RawBlock(columns, row_number, malformed, fraction)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    # combine_chunks would copy even a single chunk.
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
