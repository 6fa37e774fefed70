"""StarHorse distances and extinctions.

Layout: columns seen in a real table joined with another survey, whose ``EDR3_source_id`` is text, blank
or ``--`` where absent. The stand-alone tables name it ``source_id`` and add ``starhorse_outputflag``
(from their description, no file seen). Distances are in kpc.
"""

from catalog.surveys.columns import Column
from catalog.surveys.product import Product, check_source_id

__all__ = ["PRODUCT"]

_COLUMNS = (
    Column("source_id", "bigint", required=True, names=("source_id", "EDR3_source_id")),
    Column("dist16", "real"),
    Column("dist50", "real", required=True),
    Column("dist84", "real"),
    Column("av16", "real"),
    Column("av50", "real"),
    Column("av84", "real"),
    Column("starhorse_outputflag", "text"),
)

PRODUCT = Product(
    name="starhorse",
    title="StarHorse distances",
    columns=_COLUMNS,
    tables={"survey.starhorse_distance": tuple(column.name for column in _COLUMNS)},
    identifier="source_id",
    nulls=(-999.0, -9999.0),
    check=check_source_id,
)
