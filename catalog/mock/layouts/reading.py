"""Reads the column lists that lie beside this module."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["BulkColumn", "bulk_columns", "fits_columns", "names"]


@dataclass(frozen=True)
class BulkColumn:
    """A column of a table of the Gaia archive."""

    name: str
    datatype: str
    """ECSV data type of a value, or of an array's elements."""
    array: bool
    unit: str
    ucd: str


def _entries(name: str) -> list[str]:
    lines = files(__package__).joinpath(f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@cache
def bulk_columns(table: str) -> tuple[BulkColumn, ...]:
    """Return the columns of a Gaia archive table, in the archive's order."""
    columns = []
    for line in _entries(table):
        head, unit, ucd = line.split("|")
        name, datatype = head.split()
        columns.append(BulkColumn(name, datatype.removesuffix("[]"), datatype.endswith("[]"), unit, ucd))
    return tuple(columns)


@cache
def fits_columns(table: str) -> tuple[tuple[str, str, str], ...]:
    """Return name, TFORM and unit (may be empty) of the columns of a FITS table."""
    columns = []
    for line in _entries(table):
        head, _, unit = line.partition("[")
        name, tform = head.split()
        columns.append((name, tform, unit.rstrip("]")))
    return tuple(columns)


@cache
def names(table: str) -> tuple[str, ...]:
    """Return the column names of a text table."""
    return tuple(_entries(table))
