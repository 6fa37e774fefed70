"""``gaia_source`` of Gaia DR3: bulk files, TAP results in four formats, and VizieR's table I/355.

Layouts: TAP forms and VizieR names were seen in real files; the bulk dialect (``null``, quoted text,
1000 header lines) is known from loaders of others, and its header from a sibling table.
Archive page: Gaia DR3 documentation, chapter 20.1, gaia_source.
"""

from catalog.surveys.batch import Screen
from catalog.surveys.columns import Column
from catalog.surveys.product import Product, check_position, check_source_id

__all__ = ["PRODUCT"]


def _check(screen: Screen) -> None:
    check_source_id(screen)
    check_position(screen)


# The second and later names are VizieR's. A cross-match there appends _x to names that the other
# table holds too: RAdeg_x is then Gaia's. Names without a seen file: QSO, Gal, NSS, XPcont, RVS.
_COLUMNS = (
    Column("source_id", "bigint", required=True, names=("source_id", "Source")),
    Column("solution_id", "bigint", names=("solution_id", "SolID")),
    Column("ra", "double", required=True, names=("ra", "RAdeg_x", "RA_ICRS", "RAdeg")),
    Column("dec", "double", required=True, names=("dec", "DEdeg_x", "DE_ICRS", "DEdeg")),
    Column("l", "double", names=("l", "GLON")),
    Column("b", "double", names=("b", "GLAT")),
    Column("parallax", "double", names=("parallax", "Plx")),
    Column("parallax_error", "real", names=("parallax_error", "e_Plx")),
    Column("parallax_over_error", "real", names=("parallax_over_error", "RPlx")),
    Column("pmra", "double", names=("pmra", "pmRA")),
    Column("pmra_error", "real", names=("pmra_error", "e_pmRA")),
    Column("pmdec", "double", names=("pmdec", "pmDE")),
    Column("pmdec_error", "real", names=("pmdec_error", "e_pmDE")),
    Column("ruwe", "real"),
    Column("phot_g_mean_flux_over_error", "real", names=("phot_g_mean_flux_over_error", "RFG")),
    Column("phot_g_mean_mag", "real", names=("phot_g_mean_mag", "Gmag")),
    Column("phot_bp_mean_flux_over_error", "real", names=("phot_bp_mean_flux_over_error", "RFBP")),
    Column("phot_bp_mean_mag", "real", names=("phot_bp_mean_mag", "BPmag")),
    Column("phot_rp_mean_flux_over_error", "real", names=("phot_rp_mean_flux_over_error", "RFRP")),
    Column("phot_rp_mean_mag", "real", names=("phot_rp_mean_mag", "RPmag")),
    Column("bp_rp", "real", names=("bp_rp", "BP-RP")),
    Column("radial_velocity", "real", names=("radial_velocity", "RV_x", "RV")),
    Column("radial_velocity_error", "real", names=("radial_velocity_error", "e_RV_x", "e_RV")),
    Column("rv_nb_transits", "smallint", names=("rv_nb_transits", "o_RV")),
    Column("vbroad", "real", names=("vbroad",)),
    Column("grvs_mag", "real", names=("grvs_mag", "GRVSmag")),
    Column("rvs_spec_sig_to_noise", "real", names=("rvs_spec_sig_to_noise", "RVSS/N")),
    Column("phot_variable_flag", "text", names=("phot_variable_flag", "VarFlag")),
    Column("in_qso_candidates", "bool", names=("in_qso_candidates", "QSO")),
    Column("in_galaxy_candidates", "bool", names=("in_galaxy_candidates", "Gal")),
    Column("non_single_star", "smallint", names=("non_single_star", "NSS")),
    Column("has_xp_continuous", "bool", names=("has_xp_continuous", "XPcont")),
    Column("has_rvs", "bool", names=("has_rvs", "RVS")),
)

PRODUCT = Product(
    name="gaia_source",
    title="Gaia sources",
    columns=_COLUMNS,
    tables={"survey.gaia_source": tuple(column.name for column in _COLUMNS)},
    identifier="source_id",
    keyed_by_source=True,
    # Not the archive's: some authors replaced nulls by it.
    nulls=(-9999.0,),
    check=_check,
)
