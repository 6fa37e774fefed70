"""How a query of sql/validation is run and held against numbers computed from what was seeded."""

from typing import Any

import numpy as np
import pytest

from catalog.validation.checks import load_checks
from catalog.validation.comparisons import ingested_products, query_parameters, run_comparison
from catalog.validation.moments import Moments
from catalog.validation.results import Result

CHECKS = load_checks()


def compare(catalogue: Any, name: str, **overrides: Any) -> dict[tuple[str, str], Result]:
    parameters = {**query_parameters(catalogue.run, CHECKS), **overrides}
    products = ingested_products(catalogue.connection, catalogue.run)
    rows = run_comparison(catalogue.connection, catalogue.run, CHECKS, name, parameters, products)
    assert len({(row.subset, row.label) for row in rows}) == len(rows)
    return {(row.subset, row.label): row for row in rows}


def assert_same(row: Result, expected: Moments, rel: float = 2e-3) -> None:
    assert row.n == expected.n
    assert row.bias == pytest.approx(expected.bias, rel=rel, abs=2e-3 * expected.dispersion)
    assert row.dispersion == pytest.approx(expected.dispersion, rel=rel)
    assert row.robust_dispersion == pytest.approx(expected.robust_dispersion, rel=rel)


def subsets(catalogue: Any) -> dict[str, np.ndarray]:
    sky = catalogue.sky
    observed = (sky.role == "observed") & (sky.flag_bits == 0)
    poor = observed & (sky.snr > 15) & (sky.snr < 25) & (sky.apogee["mh"] < -1)
    return {
        "training": sky.role == "training",
        "observed": observed,
        "observed, 15 <= S/N <= 25": observed & (sky.snr >= 15) & (sky.snr <= 25),
        "observed, metal-poor, 15 < S/N < 25": poor,
        "outside limits": (sky.role == "observed") & (sky.flag_bits != 0),
    }
