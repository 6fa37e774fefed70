"""K2 Galactic Archaeology Program: asteroseismic numax of red giants.

Layouts, all seen in real files: the APO-K2 catalogue as CSV (``camp`` is one number or a quoted list),
and the machine-readable tables of Warfield et al. (2024), which name neither campaign nor evolution.
Missing values are blank or -999. The K2 GAP DR3 table itself (J/ApJ/926/191) was not seen.
"""

import numpy as np

from catalog.surveys.batch import Screen
from catalog.surveys.columns import Column
from catalog.surveys.product import Product

__all__ = ["PRODUCT"]

_COLUMNS = (
    Column("epic", "bigint", required=True, names=("epic",)),
    Column("apogee_id", "text", names=("apogee", "apogee_id")),
    Column("gaia_source", "bigint", required=True, names=("gaia_source", "GaiaEDR3")),
    Column("ra", "double", names=("ra", "RAdeg")),
    Column("dec", "double", names=("dec", "DEdeg")),
    Column("campaign", "text", names=("camp", "campaign")),
    Column("evolution", "text", names=("ev", "evolution")),
    Column("teff", "real"),
    Column("teff_err", "real", names=("teff_err", "e_Teff")),
    Column("logg", "real"),
    Column("numax", "real", required=True),
    Column("numax_err", "real", names=("numax_err", "e_numax")),
    Column("dnu", "real", names=("dnu", "deltanu")),
    Column("dnu_err", "real", names=("dnu_err", "e_deltanu")),
)


def _check(screen: Screen) -> None:
    screen.columns["gaia_source"] = np.ma.masked_less_equal(screen.columns["gaia_source"], 0)
    screen.reject(np.ma.getmaskarray(screen.columns["epic"]), "identifier", "epic is null")


PRODUCT = Product(
    name="k2gap",
    title="K2 GAP stars",
    columns=_COLUMNS,
    tables={"survey.k2gap_star": tuple(column.name for column in _COLUMNS)},
    identifier="epic",
    nulls=(-999.0,),
    check=_check,
)
