"""When a row of the validation got better or worse, and what settings differ."""

from typing import Any

import pytest

from catalog.validation.against.differences import differences, flatten, setting_words
from catalog.validation.against.results import judge_change
from catalog.validation.against.sides import Side


def row(this: dict[str, Any] | None, other: dict[str, Any] | None, **names: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"comparison": "apogee", "subset": "observed", "label": "teff", **names}
    usual = {
        "n": 1000,
        "bias": 0.0,
        "dispersion": 60.0,
        "robust_dispersion": 50.0,
        "status": "pass",
        "message": "words",
    }
    for values, suffix, there in ((this, "", "here"), (other, "_other", "there")):
        made[there] = values is not None
        found = dict.fromkeys(usual) if values is None else {**usual, **values}
        made |= {f"{name}{suffix}": value for name, value in found.items()}
    return made


@pytest.mark.parametrize(
    ("this", "other", "names", "change", "why"),
    [
        ({}, {}, {}, "same", ""),
        ({"dispersion": 66.0}, {}, {}, "worse", "dispersion × 1.10 ± 0.03"),
        ({"dispersion": 54.0}, {}, {}, "better", "dispersion × 0.90 ± 0.03"),
        ({"dispersion": 62.4, "n": 100_000}, {"n": 100_000}, {}, "same", ""),  # significant, but within the tolerance
        ({"dispersion": 66.0, "n": 100}, {"n": 100}, {}, "same", ""),  # beyond it, but no more than chance
        ({"bias": 25.0}, {}, {}, "worse", "mean difference +25 K, was +0 K"),
        ({"bias": -2.0}, {"bias": -30.0}, {}, "better", "mean difference −2 K, was −30 K"),
        ({"dispersion": 50.0, "bias": 60.0}, {}, {}, "worse", "mean difference +60 K, was +0 K"),
        ({"bias": None, "dispersion": 70.0}, {"bias": None}, {}, "worse", "dispersion × 1.17 ± 0.04"),
        ({"status": "fail"}, {"status": "warn"}, {}, "worse", "warn → fail: words"),
        ({"status": "pass", "dispersion": 90.0}, {"status": "fail"}, {}, "better", "fail → pass: words"),
        ({"status": "not run"}, {}, {}, "vanished", "pass → not run: words"),
        ({}, {"status": "not run"}, {}, "appeared", "not run → pass: words"),
        ({"status": "not run", "dispersion": None}, {"status": "not run", "dispersion": None}, {}, "same", ""),
        ({}, None, {}, "appeared", ""),
        (None, {}, {}, "vanished", ""),
        ({"n": 1, "dispersion": 90.0}, {"n": 1}, {}, "same", ""),
        ({"dispersion": None}, {"dispersion": None}, {"comparison": "limits"}, "same", ""),
        ({"dispersion": 30.0}, {}, {"comparison": "dispersions"}, "differs", "dispersion × 0.50 ± 0.02"),
        ({"dispersion": 90.0}, {}, {"subset": "APOGEE, observed"}, "differs", "dispersion × 1.50 ± 0.05"),
        ({"dispersion": 1.0}, {"dispersion": 1.4}, {"comparison": "coverage"}, "better", None),
        ({"dispersion": 0.7}, {"dispersion": 1.0}, {"comparison": "uncertainties"}, "worse", None),
        ({"dispersion": 1.3}, {"dispersion": 1 / 1.3}, {"comparison": "uncertainties"}, "same", ""),
    ],
)
def test_a_row_got_better_or_worse(this: Any, other: Any, names: Any, change: str, why: str | None) -> None:
    found = judge_change(row(this, other, **names), 0.05)
    assert found.change == change
    if why is not None:
        assert found.why == why
    else:
        assert "in units of sigma" in found.why


def test_rows_without_a_check_are_not_judged() -> None:
    assert not judge_change(row({"status": "info"}, {"status": "info"}), 0.05).judged
    assert judge_change(row({"status": "not run"}, {"status": "warn"}), 0.05).judged


def test_settings_of_two_runs() -> None:
    ensemble = {"ensemble_id": 1, "n_members": 4, "settings": {"training": {"seed": 1, "splits": 7}}}
    this = Side(2, "dr3", "1.1", None, {"training": {"seed": 1}, "gone": 3, "description": "a"}, ensemble)
    settings = {"training": {"seed": 2, "splits": 7}}
    other = Side(
        1, "dr3", "1.0", None, {"training": {"seed": 2}, "description": "b"},
        {**ensemble, "ensemble_id": 9, "settings": settings}, {"teff": {"lower": 1.0}},
    )  # fmt: skip
    assert differences(this, other) == {
        "profile": {"training.seed": (1, 2), "gone": (3, None)},
        "ensemble": {"ensemble_id": (1, 9)},
        "limits": {"teff.lower": (None, 1.0)},
        "software": {"rvscat": ("1.1", "1.0")},
    }
    assert differences(this, this) == {}
    assert differences(this, Side(0, "dr3")) == {}
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == {"a.b": 1, "a.c": [1, 2], "d": None}
    assert [setting_words(value) for value in (None, 13.10530806, [1, 2], "ab" * 32)] == [
        "not set", "13.1053", "[1, 2]", "abababababab",
    ]  # fmt: skip
