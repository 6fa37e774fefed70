"""Column lists of the surveys' official files, as data."""

from catalog.mock.layouts.reading import BulkColumn, bulk_columns, fits_columns, names

__all__ = ["BulkColumn", "bulk_columns", "fits_columns", "names"]
