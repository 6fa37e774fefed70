"""GALAH DR3 ``GALAH_DR3_main_allstar_v2.fits``: labels to compare with.

Layout: names, types and integer nulls (TNULL, the lowest int64; 999999 for ``sobject_id``) from a published schema
of the file [code]; real rows were seen in a subset as CSV [file], which calls ``star_id`` ``tmass_id`` and lacks the
alpha columns.
"""

import numpy as np

from catalog.surveys.batch import Screen
from catalog.surveys.columns import Column
from catalog.surveys.product import Product

__all__ = ["PRODUCT"]

_NO_SOBJECT = 999999

_COLUMNS = (
    Column("star_id", "text", names=("star_id", "tmass_id")),
    Column("sobject_id", "bigint", required=True),
    Column("dr3_source_id", "bigint", required=True),
    Column("flag_sp", "bigint", required=True),
    Column("flag_guess", "bigint"),
    Column("teff", "real", required=True),
    Column("e_teff", "real"),
    Column("logg", "real", required=True),
    Column("e_logg", "real"),
    Column("fe_h", "real", required=True),
    Column("e_fe_h", "real"),
    Column("flag_fe_h", "bigint"),
    Column("alpha_fe", "real"),
    Column("e_alpha_fe", "real"),
    Column("flag_alpha_fe", "bigint"),
    Column("snr_c2_iraf", "real"),
    Column("snr_c3_iraf", "real"),
)


def _check(screen: Screen) -> None:
    # Also catches the null of FITS files whose TNULL keyword was lost: the lowest int64.
    screen.columns["dr3_source_id"] = np.ma.masked_less_equal(screen.columns["dr3_source_id"], 0)
    ids = screen.columns["sobject_id"]
    missing = np.ma.getmaskarray(ids) | (np.ma.getdata(ids) == _NO_SOBJECT) | (np.ma.getdata(ids) <= 0)
    screen.reject(missing, "identifier", "sobject_id is null")


PRODUCT = Product(
    name="galah",
    title="GALAH DR3 stars",
    columns=_COLUMNS,
    tables={"survey.galah_star": tuple(column.name for column in _COLUMNS)},
    identifier="sobject_id",
    nulls=(float(-(2**63)),),
    check=_check,
)
