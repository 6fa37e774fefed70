"""``dr2_neighbourhood`` of Gaia DR3: which DR2 sources lie near which DR3 sources, as ids are not the same.

Layout [doc]: the archive's documentation of Gaia EDR3, section 13.4.4, the same in DR3. Several DR3 sources
may have one DR2 source and the reverse. ``angular_distance`` is in milliarcseconds. No file was seen.
"""

import numpy as np

from catalog.surveys.batch import Screen
from catalog.surveys.columns import Column
from catalog.surveys.product import Product

__all__ = ["PRODUCT"]

_IDS = ("dr2_source_id", "dr3_source_id")

_COLUMNS = (
    *(Column(name, "bigint", required=True) for name in _IDS),
    Column("angular_distance", "real", required=True),
    Column("magnitude_difference", "real"),
    Column("proper_motion_propagation", "bool"),
)


def _check(screen: Screen) -> None:
    for name in _IDS:
        ids = screen.columns[name]
        missing = np.ma.getmaskarray(ids) | (np.ma.getdata(ids) <= 0)
        screen.reject(missing, "source_id", f"{name} is null or not positive")


PRODUCT = Product(
    name="dr2_neighbourhood",
    title="Gaia DR2 neighbourhood",
    columns=_COLUMNS,
    tables={"survey.dr2_neighbour": tuple(column.name for column in _COLUMNS)},
    identifier="dr2_source_id",
    check=_check,
    optional=True,
)
