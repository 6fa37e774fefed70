"""Injected labels of a synthetic sky: CSV with the columns of ``survey.mock_truth``."""

from catalog.surveys.columns import Column
from catalog.surveys.product import Product, check_source_id

__all__ = ["PRODUCT"]

_COLUMNS = (
    Column("source_id", "bigint", required=True),
    Column("kind", "text", required=True),
    Column("population", "text", required=True),
    Column("teff", "real", required=True),
    Column("logg", "real", required=True),
    Column("mh", "real", required=True),
    Column("alpham", "real", required=True),
    Column("feh", "real", required=True),
    Column("distance", "real"),
    Column("r_gal", "real"),
    Column("z_gal", "real"),
)

PRODUCT = Product(
    name="mock_truth",
    title="Truth of the synthetic sky",
    columns=_COLUMNS,
    tables={"survey.mock_truth": tuple(column.name for column in _COLUMNS)},
    identifier="source_id",
    check=check_source_id,
)
