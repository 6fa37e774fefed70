"""File formats of the published catalogue: one writer each, rows in blocks, memory bounded."""

from catalog.publish.formats.fits import FitsWriter
from catalog.publish.formats.layout import Facts, Nulls, Writer, row_type
from catalog.publish.formats.parquet import ParquetWriter
from catalog.publish.formats.text import CsvWriter, EcsvWriter
from catalog.publish.formats.votable import VOTableWriter

__all__ = ["FORMATS", "PACKAGES", "WRITERS", "Facts", "Nulls", "Writer", "row_type"]

WRITERS: dict[str, type[Writer]] = {
    "fits": FitsWriter,
    "parquet": ParquetWriter,
    "votable": VOTableWriter,
    "csv": CsvWriter,
    "ecsv": EcsvWriter,
}
"""Writers of one file a table, by the names that a profile uses."""

PACKAGES = ("hats", "cds")
"""Formats of several files, whose writers need two passes over the rows."""

FORMATS = (*WRITERS, *PACKAGES)
"""All formats."""
