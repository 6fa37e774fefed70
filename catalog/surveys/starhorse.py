"""StarHorse distances and extinctions.

Layouts: columns of StarHorse EDR3 in a real table joined with another survey [file], whose ``EDR3_source_id``
is text padded with blanks, empty or ``--`` where absent, and whose extinctions are ``AV16`` and so on. The
stand-alone tables of the AIP archive have ``source_id``, ``dist50``, ``av50`` and ``starhorse_outputflag``
[doc]; the one for DR2 calls the flag ``sh_outflag``. Distances are in kpc.
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
    Column("starhorse_outputflag", "text", names=("starhorse_outputflag", "sh_outflag")),
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
