"""APOGEE DR17 ``allStar`` and ``allStarLite``: the labels to train on.

Names and types of allStarLite were seen in a real file [file]; those of allStar, which has array columns beside
them and two small tables after its first, in a published schema [code]. The sentinels 0 (no Gaia match) and -9999
are known from readers of others [code], NaN for missing labels from the real file. ASPCAPFLAG has 64 bits: bit 41
occurs. A star may have several rows, which APOGEE marks by EXTRATARG bit 4 (not verified): which one counts is
decided by sql/selection/apogee_match.sql, not here, and not by that bit.
"""

import numpy as np

from catalog.surveys.batch import Screen
from catalog.surveys.columns import Column
from catalog.surveys.product import Product

__all__ = ["PRODUCT"]

_COLUMNS = (
    Column("apogee_id", "text", required=True),
    Column("telescope", "text"),
    Column("field", "text"),
    Column("gaiaedr3_source_id", "bigint", required=True),
    Column("ra", "double"),
    Column("dec", "double"),
    Column("snr", "real", required=True),
    Column("teff", "real", required=True),
    Column("teff_err", "real", required=True),
    Column("logg", "real", required=True),
    Column("logg_err", "real", required=True),
    Column("m_h", "real", required=True),
    Column("m_h_err", "real", required=True),
    Column("alpha_m", "real", required=True),
    Column("alpha_m_err", "real", required=True),
    Column("fe_h", "real", required=True),
    Column("fe_h_err", "real", required=True),
    Column("fe_h_flag", "integer", required=True),
    Column("aspcap_chi2", "real", required=True),
    Column("aspcapflag", "bigint", required=True),
    Column("starflag", "bigint"),
    Column("extratarg", "integer"),
)


def _check(screen: Screen) -> None:
    ids = screen.columns["gaiaedr3_source_id"]
    screen.columns["gaiaedr3_source_id"] = np.ma.masked_less_equal(ids, 0)
    names = screen.columns["apogee_id"]
    screen.reject(np.array([name is None for name in names], dtype=bool), "identifier", "APOGEE_ID is empty")


PRODUCT = Product(
    name="apogee",
    title="APOGEE DR17 stars",
    columns=_COLUMNS,
    tables={"survey.apogee_star": tuple(column.name for column in _COLUMNS)},
    identifier="apogee_id",
    nulls=(-9999.99, -9999.0, -999.99, -999.0),
    check=_check,
)
