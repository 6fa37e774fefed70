"""``astrophysical_parameters`` of Gaia DR3: GSP-Phot, GSP-Spec and the emission-line class of ESP-ELS.

Layout: names and order from a published schema of the table; a real file was seen for the GSP-Spec
columns only (TAP VOTable). ``flags_gspspec`` is text of 41 digits: as a number it would lose zeros.
Archive page: Gaia DR3 documentation, chapter 20.2, astrophysical_parameters.
"""

import numpy as np

from catalog.surveys.batch import Screen
from catalog.surveys.columns import Column
from catalog.surveys.product import Product, check_source_id

__all__ = ["PRODUCT"]

_FLAG_LENGTH = 41


def _check(screen: Screen) -> None:
    check_source_id(screen)
    flags = screen.columns["flags_gspspec"]
    wrong = np.array([flag is not None and len(flag) != _FLAG_LENGTH for flag in flags], dtype=bool)
    screen.reject(wrong, "flags_gspspec", lambda i: f"flags_gspspec {flags[i]!r} has not {_FLAG_LENGTH} characters")


_COLUMNS = (
    Column("source_id", "bigint", required=True),
    Column("teff_gspphot", "real"),
    Column("logg_gspphot", "real"),
    Column("mh_gspphot", "real"),
    Column("distance_gspphot", "real"),
    Column("teff_gspspec", "real"),
    Column("teff_gspspec_lower", "real"),
    Column("teff_gspspec_upper", "real"),
    Column("logg_gspspec", "real"),
    Column("logg_gspspec_lower", "real"),
    Column("logg_gspspec_upper", "real"),
    Column("mh_gspspec", "real"),
    Column("mh_gspspec_lower", "real"),
    Column("mh_gspspec_upper", "real"),
    Column("alphafe_gspspec", "real"),
    Column("alphafe_gspspec_lower", "real"),
    Column("alphafe_gspspec_upper", "real"),
    Column("fem_gspspec", "real"),
    Column("flags_gspspec", "text"),
    Column("classlabel_espels", "text"),
    Column("spectraltype_esphs", "text"),
)

PRODUCT = Product(
    name="astrophysical_parameters",
    title="Gaia astrophysical parameters",
    columns=_COLUMNS,
    tables={"survey.astrophysical_parameters": tuple(column.name for column in _COLUMNS)},
    identifier="source_id",
    keyed_by_source=True,
    nulls=(-9999.0,),
    check=_check,
)
