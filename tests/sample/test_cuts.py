"""Each cut of Sect. 2 at both sides of its boundary, and on missing values."""

import re
from typing import Any

import pytest

from catalog.database.queries import load
from catalog.releases import load_release
from catalog.sample.parameters import cut_parameters
from catalog.sample.stage import select_samples
from tests.sample.sky import coefficients

NAN, INFINITY = float("nan"), float("inf")

# (cut, table, values that the cut rejects, values that it keeps)
OBSERVED: list[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        "in_galaxy_candidates",
        "gaia",
        [{"in_galaxy_candidates": v} for v in (True, None)],
        [{"in_galaxy_candidates": False}],
    ),
    ("in_qso_candidates", "gaia", [{"in_qso_candidates": v} for v in (True, None)], [{"in_qso_candidates": False}]),
    (
        "phot_variable_flag",
        "gaia",
        [{"phot_variable_flag": "VARIABLE"}],
        [{"phot_variable_flag": v} for v in (None, "NOT_AVAILABLE", "CONSTANT")],
    ),
    ("non_single_star", "gaia", [{"non_single_star": v} for v in (1, 2, 4, 7, None)], [{"non_single_star": 0}]),
    *(
        (
            f"phot_{band}_mean_flux_over_error",
            "gaia",
            [{f"phot_{band}_mean_flux_over_error": v} for v in (500.0, 3.0, -1.0, None, NAN, INFINITY)],
            [{f"phot_{band}_mean_flux_over_error": v} for v in (500.0001, 1e5)],
        )
        for band in ("g", "bp", "rp")
    ),
    (
        "magnitudes",
        "gaia",
        [{f"phot_{band}_mean_mag": v} for band in ("g", "bp", "rp") for v in (None, NAN, INFINITY)],
        [{"phot_g_mean_mag": 2.9}],
    ),
    ("parallax", "gaia", [{"parallax": v} for v in (-1e-9, -3.0, None, NAN, INFINITY)], [{"parallax": 1e-9}]),
    ("has_xp_continuous", "gaia", [{"has_xp_continuous": v} for v in (False, None)], [{"has_xp_continuous": True}]),
    (
        "xp_coefficients",
        "xp",
        [
            {f"{band}_coefficients": v}
            for band in ("bp", "rp")
            for v in (None, coefficients(n=54), coefficients(n=56), b"")
        ],
        [{"bp_coefficients": coefficients(3.0)}],
    ),
    (
        "xp_first_coefficient",
        "xp",
        [
            {f"{band}_coefficients": coefficients(v)}
            for band in ("bp", "rp")
            for v in (0.0, -0.0, -1e-5, -500.0, NAN, INFINITY, -INFINITY)
        ],
        [{"rp_coefficients": coefficients(v)} for v in (1e-30, 0.3, 1.0, 2.0, 1e12)],
    ),
    ("classlabel_espels", "parameters", [{"classlabel_espels": "beStar"}], [{"classlabel_espels": None}]),
]

BIT_7, BIT_23, BIT_41 = 1 << 7, 1 << 23, 1 << 41

TRAINING: list[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        "aspcapflag",
        "apogee",
        # 2199031644224 is a real DR17 value: bits 41, 23 and 6.
        [{"aspcapflag": v} for v in (BIT_7, BIT_23, BIT_7 | BIT_23, 2199031644224, BIT_41 | BIT_7, None)],
        [{"aspcapflag": v} for v in (0, 1 << 6, BIT_41, BIT_41 | (1 << 24), (1 << 62) | (1 << 22))],
    ),
    (
        "aspcap_chi2",
        "apogee",
        [{"aspcap_chi2": v} for v in (25.0, 80.0, None, NAN, -9999.0)],
        [{"aspcap_chi2": 24.999}],
    ),
    ("fe_h_flag", "apogee", [{"fe_h_flag": v} for v in (1, 64, None)], [{"fe_h_flag": 0}]),
    ("teff_err", "apogee", [{"teff_err": v} for v in (100.0, 300.0, None, NAN, -9999.0)], [{"teff_err": 99.99}]),
    ("logg_err", "apogee", [{"logg_err": v} for v in (0.1, 0.3, None, NAN, -9999.0)], [{"logg_err": 0.0999}]),
    *(
        (
            f"{label}_err",
            "apogee",
            [
                {label: -0.49, f"{label}_err": 0.1},
                {label: -0.49, f"{label}_err": 0.15},
                # The paper leaves exactly -0.5 open: the stricter limit holds.
                {label: -0.5, f"{label}_err": 0.15},
                {label: -0.51, f"{label}_err": 0.2},
                {label: -1.5, f"{label}_err": 0.25},
                {f"{label}_err": None},
                {f"{label}_err": NAN},
                {f"{label}_err": -9999.0},
            ],
            [
                {label: -0.49, f"{label}_err": 0.0999},
                {label: -0.51, f"{label}_err": 0.15},
                {label: -1.5, f"{label}_err": 0.1999},
            ],
        )
        for label in ("m_h", "fe_h")
    ),
    ("alpha_m_err", "apogee", [{"alpha_m_err": v} for v in (0.1, None, NAN, -9999.0)], [{"alpha_m_err": 0.0999}]),
    (
        "labels",
        "apogee",
        [{label: v} for label in ("teff", "logg", "m_h", "alpha_m", "fe_h") for v in (None, NAN, -9999.0)],
        [{"teff": 3000.0, "logg": -0.5, "m_h": -2.4, "alpha_m": -0.2, "fe_h": -2.4}],
    ),
    (
        "rvs_spec_sig_to_noise",
        "gaia",
        [{"rvs_spec_sig_to_noise": v} for v in (29.999, 3.0, None, NAN)],
        [{"rvs_spec_sig_to_noise": v} for v in (30.0, 400.0)],
    ),
    (
        "parallax_over_error",
        "gaia",
        [{"parallax_over_error": v} for v in (5.0, 0.0, None, NAN)],
        [{"parallax_over_error": 5.001}],
    ),
    # 1.4 as float32 is below 1.4 as float64: the comparison is made in the column's precision.
    ("ruwe", "gaia", [{"ruwe": v} for v in (1.4, 4.0, None, NAN)], [{"ruwe": 1.3999}]),
]


def spoil(sky, cases):
    return {
        sky.star(**{table: values}): (cut, values, kept)
        for cut, table, rejected, accepted in cases
        for kept, group in ((False, rejected), (True, accepted))
        for values in group
    }


def test_cuts_of_the_observed_sample(sky, enough, connection, run, settings, fates):
    expected = spoil(sky, OBSERVED)
    select_samples(connection, run, settings)
    fate = fates()
    for source_id, (cut, values, kept) in expected.items():
        assert fate[source_id] == (("training", None, None) if kept else ("rejected", cut, None)), (cut, values)


def test_cuts_of_the_training_sample(sky, enough, connection, run, settings, fates):
    expected = spoil(sky, TRAINING)
    select_samples(connection, run, settings)
    fate = fates()
    for source_id, (cut, values, kept) in expected.items():
        assert fate[source_id] == (("training", None, None) if kept else ("observed", None, cut)), (cut, values)


def test_zero_parallax_is_not_negative(sky, enough, connection, run, settings, fates):
    star = sky.star(gaia={"parallax": 0.0, "parallax_over_error": 0.0})
    select_samples(connection, run, settings)
    assert fates()[star] == ("observed", None, "parallax_over_error")


def test_missing_rows(sky, enough, connection, run, settings, fates):
    no_gaia = sky.star(without=("gaia_source",))
    no_xp = sky.star(without=("xp_coefficients",))
    no_parameters = sky.star(without=("astrophysical_parameters",))
    no_apogee = sky.star(without=("apogee_star",))
    no_spectrum = sky.star(without=("rvs_spectrum",))
    result = select_samples(connection, run, settings)
    fate = fates()
    assert fate[no_gaia] == ("rejected", "gaia_source", None)
    assert fate[no_xp] == ("rejected", "xp_coefficients", None)
    assert fate[no_parameters] == ("training", None, None)
    assert fate[no_apogee] == ("observed", None, "no APOGEE match")
    assert no_spectrum not in fate
    assert any(note.startswith("1 star without a row in astrophysical_parameters: kept") for note in result.notes)


def test_every_cut_is_tried_here():
    """The cases above cover all cuts, in the order of the chains and of the funnel."""
    for query, sample, begin in (("observed", OBSERVED, ["gaia_source"]), ("training", TRAINING, [])):
        applied = re.findall(r"THEN '(\w+)'", load(f"selection/{query}").text)
        assert applied == begin + [cut for cut, *_ in sample]


def test_listed_cuts_are_those_applied(connection):
    """cuts.sql names what observed.sql and training.sql apply, in the same order, with the thresholds in the rule."""
    cuts = connection.execute(load("selection/cuts").statement, cut_parameters(load_release("dr3"))).fetchall()
    for sample, begin in (("observed", ["rvs_spectrum"]), ("training", ["observed sample", "no APOGEE match"])):
        listed = [cut for name, _, cut, _ in cuts if name == sample]
        assert listed == begin + re.findall(r"THEN '(\w+)'", load(f"selection/{sample}").text)
        assert [step for name, step, *_ in cuts if name == sample] == list(range(len(listed)))
    rules = {cut: rule for _, _, cut, rule in cuts}
    assert rules["phot_bp_mean_flux_over_error"] == "phot_bp_mean_flux_over_error > 500"
    assert rules["m_h_err"] == "M_H_ERR < 0.2 if M_H < -0.5, else M_H_ERR < 0.1"
    assert rules["aspcapflag"] == "ASPCAPFLAG bits 7, 23 are unset"
    assert rules["rvs_spec_sig_to_noise"] == "rvs_spec_sig_to_noise >= 30"
    assert rules["parallax_over_error"] == "parallax_over_error > 5: relative error below 20 %"
    assert rules["xp_coefficients"] == "55 BP and 55 RP coefficients were read"


def test_parameters_follow_the_release():
    release = load_release("dr3")
    other = release.model_copy(
        update={
            "cuts": release.cuts.model_copy(update={"aspcapflag_bits": (41, 0), "training_ruwe_max": 1.2}),
            "xp": release.xp.model_copy(update={"bp_coefficients": 60}),
        }
    )
    parameters = cut_parameters(other)
    assert parameters["aspcapflag_mask"] == (1 << 41) + 1
    assert parameters["aspcapflag_bits"] == "0, 41"
    assert (parameters["bp_bytes"], parameters["rp_bytes"]) == (480, 440)
    assert parameters["training_ruwe_max"] == 1.2


@pytest.mark.parametrize("name", ["observed", "training", "cuts"])
def test_every_parameter_has_a_value(name):
    known = {*cut_parameters(load_release("dr3")), "release", "run_id"}
    assert set(load(f"selection/{name}").parameters) <= known
