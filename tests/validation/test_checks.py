"""Thresholds and judgements."""

from pathlib import Path

import pytest

from catalog.database.queries import load, names
from catalog.errors import ConfigurationError
from catalog.metadata import LABELS
from catalog.validation.checks import judge, load_checks
from catalog.validation.results import Result

OTHER_QUERIES = {
    "kinds",
    "sequences",
    "velocity_errors",
    "likeness_threshold",
    "stars",
    "out_of_fold",
    "likeness_map",
    "spectra",
    "training_history",
    "files",
}
STUDY_QUERIES = {"robustness", "sensitivity", "sensitivity_regions", "sensitivity_peaks", "xp_correlation"}
"""They read what `rvscat study` has left: their own tests fill its tables."""


def apogee(n: int = 10_000, bias: float = 0.0, dispersion: float | None = 59.0, subset: str = "training") -> Result:
    return Result("apogee", subset, "teff", n, bias, dispersion, dispersion)


def test_each_comparison_is_one_query_and_each_query_a_comparison() -> None:
    files = {name.removeprefix("validation/") for name in names("validation")}
    # Numbers of the paper, and two catalogues beside each other: no comparison of one catalogue.
    files = {name for name in files if not name.startswith(("parity_", "against_"))}
    assert files == set(load_checks().comparisons) | OTHER_QUERIES | STUDY_QUERIES


def test_the_training_sample_is_judged_by_the_figures_of_the_paper() -> None:
    (check,) = (check for check in load_checks().comparisons["apogee"].checks if check.subset == "training")
    assert check.paper == {"teff": 59.0, "logg": 0.11, "mh": 0.07, "alpham": 0.04, "feh": 0.07}
    assert set(check.paper) == {label.name for label in LABELS}


@pytest.mark.parametrize(
    ("bias", "dispersion", "status"),
    [
        (0.0, 59.0, "pass"),
        (0.0, 59.0 * 1.45, "pass"),
        (0.0, 59.0 * 1.7, "warn"),
        (0.0, 59.0 * 2.8, "fail"),
        (25.0, 59.0, "pass"),
        (-40.0, 59.0, "warn"),
        (80.0, 30.0, "fail"),
    ],
)
def test_dispersion_and_bias_are_held_against_the_paper(bias: float, dispersion: float, status: str) -> None:
    judged = judge(load_checks(), apogee(bias=bias, dispersion=dispersion))
    assert judged.status == status
    assert judged.paper == 59.0
    assert f"{dispersion / 59:.2f} ×" in judged.message
    assert ("mean difference" in judged.message) == (abs(bias) > 30)
    assert judged.message.startswith("mean difference" if abs(bias) > 30 else "dispersion"), "the worst comes first"


def test_a_handful_of_stars_cannot_fail_by_chance_but_many_can() -> None:
    assert judge(load_checks(), apogee(n=12, dispersion=59.0 * 1.7)).status == "pass"
    assert judge(load_checks(), apogee(n=1200, dispersion=59.0 * 1.7)).status == "warn"
    assert judge(load_checks(), apogee(n=12, dispersion=59.0 * 6)).status == "fail"


def test_too_few_stars_are_not_run() -> None:
    judged = judge(load_checks(), apogee(n=9))
    assert judged.status == "not run"
    assert judged.message == "N = 9, at least 10 are needed"
    assert judge(load_checks(), apogee(dispersion=None)).status == "not run"


def test_a_subset_without_a_check_is_information() -> None:
    assert judge(load_checks(), apogee(subset="outside limits", dispersion=900.0)).status == "info"
    assert (
        judge(load_checks(), Result("seismic", "GSP-Spec, observed, log g > 2.6", "logg", 99, 1.0, 1.0, 1.0)).status
        == "info"
    )


@pytest.mark.parametrize(
    ("within_1", "within_2", "status"),
    [(0.7, 0.95, "pass"), (0.55, 0.95, "warn"), (0.7, 0.85, "warn"), (0.4, 0.7, "fail")],
)
def test_ranges_judge_columns_of_the_query(within_1: float, within_2: float, status: str) -> None:
    extra = {"within_1": within_1, "within_2": within_2}
    judged = judge(load_checks(), Result("uncertainties", "observed", "mh", 500, 0.0, 1.0, 1.0, extra))
    assert judged.status == status
    assert f"within 1 σ {100 * within_1:.1f} %" in judged.message


def covered(n: int, within_1: float, calibrated_1: float | None, subset: str = "training, out of fold") -> Result:
    extra = {"within_1": within_1, "within_2": 0.95, "calibrated_1": calibrated_1, "calibrated_2": 0.95}
    return judge(load_checks(), Result("coverage", subset, "mh", n, 0.0, 1.0, 1.0, extra))


def test_coverage_is_judged_by_the_number_of_stars_too() -> None:
    assert covered(10_000, 0.65, 0.683).status == "pass"
    assert covered(10_000, 0.57, 0.683).status == "warn", "the paper's sigma out of fold"
    assert covered(10_000, 0.65, 0.63).status == "warn"
    assert covered(10_000, 0.65, 0.57).status == "fail"
    assert covered(10_000, 0.65, 0.80).status == "fail", "too large a sigma is wrong as well"
    # The same fractions of a hundred stars may be chance.
    assert covered(100, 0.57, 0.60).status == "pass"
    assert covered(100, 0.65, 0.40).status == "fail"
    message = covered(10_000, 0.65, 0.57).message
    assert "within 1 σ 65.0 %" in message
    assert "within 1 calibrated σ 57.0 % (65 to 72 % pass)" in message


def test_coverage_without_a_calibrated_sigma_is_not_run() -> None:
    judged = covered(10_000, 0.65, None, "observed")
    assert (judged.status, judged.message) == ("not run", "the query gave no calibrated_1")
    assert covered(9, 0.65, 0.68).status == "not run"
    assert covered(500, 0.9, 0.9, "training, all members, red clump").status == "info"
    assert covered(10_000, 0.6, 0.75, "training, out of fold, red clump").status == "pass"
    assert covered(10_000, 0.6, 0.45, "training, out of fold, red clump").status == "fail"


def test_fractions_beyond_one_or_at_a_bound_have_no_error() -> None:
    extra = {"fraction": 0.01}
    assert judge(load_checks(), Result("finite", "training", "mh", 20, None, None, None, extra)).status == "fail"


def test_a_users_file_overrides_only_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "checks.toml"
    file.write_text("minimum_stars = 50\n[comparisons.galah]\nparameters = { galah_snr_min = 60.0 }\n")
    checks = load_checks(file)
    assert checks.minimum_stars == 50
    assert checks.parameters()["galah_snr_min"] == 60.0
    assert checks.comparisons["galah"].checks == load_checks().comparisons["galah"].checks
    assert load_checks(tmp_path / "absent.toml") == load_checks()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("minimum_stars = ", "not valid TOML"),
        ("minimum_stars = 1", "minimum_stars"),
        ("minimal_stars = 10", "minimal_stars"),
        ("[comparisons.apogee]\nchecks = [{ subset = 'x', source = 'y' }]", "'paper' or 'ranges'"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "checks.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=told) as error:
        load_checks(file)
    assert str(file) in error.value.message


@pytest.mark.parametrize("name", names("validation"))
def test_every_query_tells_purpose_parameters_and_columns(name: str) -> None:
    query = load(name)
    header = query.text.split("WITH ")[0].split("\nSELECT")[0]
    assert query.purpose
    assert "-- Returns: " in header
    told = header.split("-- Parameters:")[1].split("-- Returns:")[0]
    assert all(parameter in told for parameter in query.parameters)
