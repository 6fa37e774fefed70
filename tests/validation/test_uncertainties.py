"""The table of how uncertainties were made, for ensembles of this version and of earlier ones."""

from typing import Any

import pytest

from catalog.metadata import LABELS
from catalog.validation.uncertainties import uncertainty_table


@pytest.fixture
def recorded(catalogue: Any) -> dict[str, Any]:
    row = catalogue.connection.execute("SELECT uncertainty FROM production.ensemble").fetchone()
    return dict(row[0])


def test_each_label_has_its_bins_and_polynomials(recorded: dict[str, Any]) -> None:
    rows = uncertainty_table(recorded)
    assert [(row["label"], row["kind"]) for row in rows] == [
        (label, kind) for label in LABELS for kind in ("sigma", "calibrated")
    ]
    for row in rows:
        calibrated = row["kind"] == "calibrated"
        fit = (
            recorded["calibrated"]["fits"][row["label"].name]["fit"]
            if calibrated
            else recorded["fits"][row["label"].name]
        )
        assert row["width"] == pytest.approx(fit["bin_width"])
        assert (row["n_bins"], row["fewest"], row["degree"]) == (12, 15, fit["degree"])
        assert row["joined"] == len(fit["dispersion"]) <= 12
        assert (row["factor"] is None) == (not calibrated)
        if calibrated:
            assert row["coverage"][0] == recorded["calibrated"]["cross_validation"]["coverage_1"][row["label"].name]


def test_ensembles_of_earlier_versions_have_less_to_tell(recorded: dict[str, Any]) -> None:
    for fit in recorded["fits"].values():
        del fit["bin_width"]
    del recorded["calibrated"]
    rows = uncertainty_table(recorded)
    assert [row["kind"] for row in rows] == ["sigma"] * len(LABELS)
    assert all(row["width"] > 0 for row in rows)
    none = {"fits": {}, "cross_validation": {"n": 0}}
    assert len(uncertainty_table({**recorded, "calibrated": none})) == len(LABELS)
    assert uncertainty_table(None) == uncertainty_table({}) == []
