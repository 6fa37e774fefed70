"""What a survey product is, and the reader that all products with plain columns share."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys import convert
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Column, Notices, find_columns
from catalog.surveys.tables import BULK, RawBlock, RawColumn, RawTable

__all__ = ["Product", "check_position", "check_source_id", "convert_columns", "read_rows"]

_INTEGER_BITS = {"smallint": 16, "integer": 32, "bigint": 64}

BatchReader = Callable[["Product", RawTable, Release, Notices], Iterator[SurveyBatch]]


@dataclass(frozen=True)
class Product:
    """One kind of survey file and the tables that it fills."""

    name: str
    """Also the name of its folder."""
    title: str
    columns: tuple[Column, ...]
    tables: Mapping[str, tuple[str, ...]]
    """Columns of each table; keys and file are added on ingest."""
    identifier: str
    """Column that names a row in messages."""
    keyed_by_source: bool = False
    """Rows are one a (release, source_id); otherwise one a (file, row)."""
    nulls: tuple[float, ...] = ()
    """Numbers that stand for "missing"."""
    check: Callable[[Screen], None] | None = None
    """Sets aside rows that break this product's rules."""
    reader: BatchReader | None = None
    """How batches are made; `read_rows` when None."""
    all_tables: bool = False
    """A file may hold several tables, all to be read; otherwise the first that has the columns is."""
    optional: bool = False
    """A release is whole without it."""

    def batches(self, tables: list[RawTable], release: Release, notices: Notices) -> Iterator[SurveyBatch]:
        """Yield the rows of a file's tables.

        Raises
        ------
        FormatError
            A required column is missing, or a table holds no row at all.
        """
        last_row = 0
        for table in tables if self.all_tables else [self._choose(tables)]:
            if table.form == BULK and table.meta["TABLE"].rpartition(".")[2] != self.name:
                notices.texts.append(f"{self.name}: the header says TABLE: {table.meta['TABLE']}")
            first_row = last_row
            for batch in (self.reader or read_rows)(self, table, release, notices):
                numbered = batch.shifted(first_row)
                last_row = max(last_row, numbered.last_row)
                yield numbered
            if last_row == first_row:
                raise FormatError(f"{table.path} holds a header and no rows.", "Download the file again.")

    def _choose(self, tables: list[RawTable]) -> RawTable:
        """Return the first table that has all required columns, or the first, which then says what it lacks."""
        required = [{name.lower() for name in column.file_names} for column in self.columns if column.required]
        for table in tables:
            here = {name.lower() for name in table.names}
            if all(here & names for names in required):
                return table
        return tables[0]


def read_rows(
    product: Product,
    table: RawTable,
    release: Release,  # noqa: ARG001 (readers have one signature; plain columns are the same in every release)
    notices: Notices,
) -> Iterator[SurveyBatch]:
    """Yield the rows of a table whose columns are plain numbers, texts and booleans.

    Raises
    ------
    FormatError
        A required column is missing.
    """
    found = find_columns(product.columns, table, product.name, notices)
    for block in table.blocks(list(found.values())):
        screen = convert_columns(product, block, found)
        if product.check is not None:
            product.check(screen)
        yield screen.batch(block.fraction, "source_id" if product.keyed_by_source else None)


def convert_columns(product: Product, block: RawBlock, found: Mapping[str, str]) -> Screen:
    """Convert the columns of a block but arrays; rows with unparsable values are set aside.

    Parameters
    ----------
    product : Product
    block : RawBlock
    found : mapping of str to str
        Database name to name in the file. Columns of the product that are not in it become null.

    Returns
    -------
    Screen
    """
    n_rows = len(block.row_number)
    columns: dict[str, np.ndarray] = {}
    bad: dict[str, np.ndarray] = {}
    kinds = {column.name: column.kind for column in product.columns}
    for column in product.columns:
        if column.kind == "array":
            continue
        if column.name not in found:
            columns[column.name] = _nulls(column, n_rows)
            continue
        raw = block.columns[found[column.name]]
        if column.kind == "text":
            columns[column.name] = convert.to_texts(raw)
            continue
        columns[column.name], wrong = _numbers(column, raw, product.nulls)
        if wrong.any():
            bad[column.name] = wrong
    screen = Screen(columns, block.row_number, columns.get(product.identifier), list(block.rejections))
    for name, wrong in bad.items():
        screen.reject(wrong, "unparsable", _describe(name, kinds[name], block.columns[found[name]]))
    return screen


def _numbers(column: Column, raw: RawColumn, nulls: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    if column.kind == "bool":
        return convert.to_bools(raw)
    if column.kind in _INTEGER_BITS:
        return convert.to_ints(raw, _INTEGER_BITS[column.kind], nulls)
    return convert.to_floats(raw, np.float32 if column.kind == "real" else np.float64, nulls)


def _nulls(column: Column, n_rows: int) -> np.ndarray:
    if column.kind == "text":
        return np.full(n_rows, None, dtype=object)
    if column.kind in ("real", "double"):
        return np.full(n_rows, np.nan, dtype=np.float32 if column.kind == "real" else np.float64)
    dtype = bool if column.kind == "bool" else np.int64
    return np.ma.MaskedArray(np.zeros(n_rows, dtype=dtype), mask=True)


def _describe(name: str, kind: str, raw: RawColumn) -> Callable[[int], str]:
    def reason(i: int) -> str:
        cell = raw[i]
        value = cell.as_py() if isinstance(cell, pa.Scalar) else cell
        return f"{name}: {str(value)[:60]!r} is no {kind}"

    return reason


def check_source_id(screen: Screen) -> None:
    """Set aside rows without a positive source_id."""
    ids = screen.columns["source_id"]
    missing = np.ma.getmaskarray(ids)
    screen.reject(missing, "source_id", "source_id is null")
    screen.reject(np.ma.getdata(ids) <= 0, "source_id", lambda i: f"source_id {ids[i]} is not positive")


def check_position(screen: Screen) -> None:
    """Set aside rows whose ra and dec are missing or outside the sphere."""
    ra, dec = screen.columns["ra"], screen.columns["dec"]
    inside = (ra >= 0) & (ra < 360) & (dec >= -90) & (dec <= 90)
    screen.reject(~inside, "position", lambda i: f"ra {ra[i]}, dec {dec[i]} is not a position")
