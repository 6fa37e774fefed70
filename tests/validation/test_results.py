"""Rows, verdicts and how numbers are written."""

import json

import pytest

from catalog.validation.results import Result, find, format_value, verdict


def row(status: str, label: str = "teff") -> Result:
    return Result("apogee", "training", label, 20, 1.0, 2.0, 3.0, status=status)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["pass", "info"], ("pass", "All 1 checks passed")),
        (["pass", "warn", "not run"], ("warn", "1 of 2 checks passed, 1 with a warning")),
        (["pass", "warn", "fail"], ("fail", "1 check failed; 1 of 3 checks passed")),
        (["not run", "info"], ("not run", "Not validated: no check could be run")),
    ],
)
def test_the_worst_check_decides_and_not_run_never_passes(statuses: list[str], expected: tuple[str, str]) -> None:
    found = verdict([row(status) for status in statuses])
    assert (found.status, found.headline) == expected
    assert sum(found.counts.values()) == len(statuses)


def test_find_wants_all_three_names() -> None:
    rows = [row("pass", "teff"), row("pass", "logg")]
    assert find(rows, "apogee", "training", "logg") is rows[1]
    assert find(rows, "apogee", "observed", "logg") is None


@pytest.mark.parametrize(
    ("name", "value", "signed", "text"),
    [
        ("teff", 1234.56, False, "1,235 K"),
        ("teff", -3.2, True, "−3 K"),
        ("mh", 0.0712, False, "0.071"),
        ("alpham", 0.0049, True, "+0.005"),
        ("logg", None, True, "–"),
    ],
)
def test_values_carry_the_digits_and_unit_they_deserve(name: str, value: float | None, signed: bool, text: str) -> None:
    assert format_value(name, value, signed=signed) == text


def test_a_row_becomes_plain_json() -> None:
    facts = json.loads(json.dumps(row("pass").as_dict()))
    assert facts["query"] == "validation/apogee"
    assert facts["bias"] == 1.0
