"""K2 Galactic Archaeology Program: asteroseismic numax of red giants.

Layouts: the APO-K2 catalogue as CSV (``camp`` is one number or a quoted list), and the machine-readable tables of
Warfield et al. (2024), which name neither campaign nor evolution [file]. Missing values are blank or -999. K2 GAP
DR3 itself (Zinn et al. 2022, J/ApJ/926/191) has EPIC numbers and no Gaia ids [doc]; its column names were not seen,
and VizieR's usual ones are looked for [inferred]. Stars without a Gaia id are matched by position, which the sample
stage does; a table that has neither is refused.
"""

from collections.abc import Iterator

import numpy as np

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Column, Notices
from catalog.surveys.product import Product, read_rows
from catalog.surveys.tables import RawTable

__all__ = ["PRODUCT"]

_RA = ("ra", "RAdeg", "RAJ2000", "_RA", "_RAJ2000", "RA_ICRS")
_DEC = ("dec", "DEdeg", "DEJ2000", "_DE", "_DEJ2000", "DE_ICRS")
_GAIA = ("gaia_source", "GaiaEDR3", "GaiaDR3")

_COLUMNS = (
    Column("epic", "bigint", required=True, names=("epic", "EPIC_ID")),
    Column("apogee_id", "text", names=("apogee", "apogee_id")),
    Column("gaia_source", "bigint", names=_GAIA),
    Column("ra", "double", names=_RA),
    Column("dec", "double", names=_DEC),
    Column("campaign", "text", names=("camp", "campaign")),
    Column("evolution", "text", names=("ev", "evolution")),
    Column("teff", "real"),
    Column("teff_err", "real", names=("teff_err", "e_Teff")),
    Column("logg", "real"),
    Column("numax", "real", required=True),
    Column("numax_err", "real", names=("numax_err", "e_numax")),
    Column("dnu", "real", names=("dnu", "deltanu")),
    Column("dnu_err", "real", names=("dnu_err", "e_dnu", "e_deltanu")),
)


def _read(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    here = {name.lower() for name in table.names}
    has = {wanted: any(name.lower() in here for name in names)
           for wanted, names in (("gaia", _GAIA), ("ra", _RA), ("dec", _DEC))}  # fmt: skip
    if "numax" in here and not has["gaia"] and not (has["ra"] and has["dec"]):
        raise FormatError(
            f"{table.path} ({table.form}) has neither Gaia ids ({' or '.join(_GAIA)}) nor positions "
            f"({' or '.join(_RA)}; {' or '.join(_DEC)}): its stars cannot be found in Gaia.",
            "Join its EPIC numbers with the K2 Ecliptic Plane Input Catalog (VizieR IV/34) to add ra and dec.",
        )
    yield from read_rows(product, table, release, notices)


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
    reader=_read,
)
