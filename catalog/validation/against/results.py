"""Validation results of two runs side by side: which comparisons got better, which got worse."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import log, sqrt
from typing import Any, Literal

from catalog.validation.results import Status, format_value

__all__ = ["CHANGES", "STANDARD_ERRORS", "Change", "ResultChange", "judge_change", "tally"]

Change = Literal["worse", "better", "same", "differs", "appeared", "vanished"]

CHANGES: tuple[Change, ...] = ("worse", "better", "differs", "same", "appeared", "vanished")

STANDARD_ERRORS = 2.0
"""A dispersion has changed when its ratio is off by more than so many of its standard errors."""

_JUDGED: dict[str, int] = {"pass": 0, "warn": 1, "fail": 2}

_ONE = ("uncertainties", "coverage")
"""Residuals in units of sigma: the best dispersion is 1."""

_NEITHER = ("dispersions", "published")
"""Sizes of uncertainties, and distance to an earlier catalogue: smaller ones are not better by themselves."""

_REFERENCES = ("APOGEE, ", "GSP-Spec, ", "GSP-Spec - APOGEE", "GSP-Phot - APOGEE")
"""Beginnings of subsets that tell about other surveys: only the stars in them can have changed."""


@dataclass(frozen=True)
class ResultChange:
    """One row of the validation, as it was and as it is."""

    comparison: str
    subset: str
    label: str
    change: Change
    why: str
    """In words; empty when nothing changed."""
    judged: bool
    """Whether a check has a verdict on it, in either run."""
    n: int | None
    n_other: int | None
    status: Status | None
    status_other: Status | None
    bias: float | None
    bias_other: float | None
    dispersion: float | None
    dispersion_other: float | None
    robust_dispersion: float | None
    robust_dispersion_other: float | None
    ratio: float | None
    """Of the dispersions, run to other."""
    ratio_error: float | None
    """Its standard error, as if both were of different stars: of the same stars it is smaller."""
    message: str
    message_other: str

    def as_dict(self) -> dict[str, Any]:
        """Return the row with plain values, fit for JSON."""
        return asdict(self)


def judge_change(row: Mapping[str, Any], tolerance: float) -> ResultChange:
    """Tell whether a row of ``sql/validation/against_results.sql`` got better or worse.

    Parameters
    ----------
    row : mapping
    tolerance : float
        Fraction by which a dispersion, or dispersion and bias together, must have grown or shrunk.

    Returns
    -------
    ResultChange
        A change of the check's verdict counts first. Then the dispersion, which must have changed by more than
        `tolerance` and by more than `STANDARD_ERRORS`; then bias and dispersion together (rms). In units of sigma the
        distance from 1 counts.
    """
    ratio, error = _ratio(row)
    change, why = _verdict(row, ratio, error, tolerance)
    return ResultChange(
        comparison=row["comparison"],
        subset=row["subset"],
        label=row["label"],
        change=change,
        why=why,
        judged=row["status"] in _JUDGED or row["status_other"] in _JUDGED,
        ratio=ratio,
        ratio_error=error,
        message=row["message"] or "",
        message_other=row["message_other"] or "",
        **{
            f"{name}{suffix}": row[f"{name}{suffix}"]
            for name in ("n", "status", "bias", "dispersion", "robust_dispersion")
            for suffix in ("", "_other")
        },
    )


def tally(changes: Iterable[ResultChange]) -> dict[Change, int]:
    """Return how many checks changed in which way; rows that no check judges are left out."""
    found = [each.change for each in changes if each.judged]
    return {change: found.count(change) for change in CHANGES}


def _ratio(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    now, before = row["dispersion"], row["dispersion_other"]
    if not now or not before or min(row["n"], row["n_other"]) < 2:
        return None, None
    ratio = now / before
    return ratio, ratio * sqrt(_spread(row["n"]) + _spread(row["n_other"]))


def _spread(n: int) -> float:
    """Return the square of the relative standard error of a standard deviation of `n` values."""
    return 1.0 / (2.0 * (n - 1))


def _verdict(row: Mapping[str, Any], ratio: float | None, error: float | None, tolerance: float) -> tuple[Change, str]:
    if not row["there"]:
        return "appeared", ""
    if not row["here"]:
        return "vanished", ""
    now, before = row["status"], row["status_other"]
    if now != before:
        if now in _JUDGED and before in _JUDGED:
            return ("worse" if _JUDGED[now] > _JUDGED[before] else "better"), f"{before} → {now}: {row['message']}"
        if "not run" in (now, before):
            # A check that cannot be run any more is no check that passed.
            return ("vanished" if now == "not run" else "appeared"), f"{before} → {now}: {row['message']}"
    if ratio is None or error is None or now == "not run":
        return "same", ""
    if row["comparison"] in _ONE:
        return _towards_one(row, ratio, error, tolerance)
    change, why = _towards_zero(row, ratio, error, tolerance)
    if change != "same" and (row["comparison"] in _NEITHER or row["subset"].startswith(_REFERENCES)):
        return "differs", why
    return change, why


def _towards_zero(row: Mapping[str, Any], ratio: float, error: float, tolerance: float) -> tuple[Change, str]:
    words = f"dispersion × {ratio:.2f} ± {error:.2f}"
    by_dispersion = _direction(log(ratio), error / ratio, tolerance)
    if by_dispersion == "worse" or row["bias"] is None or row["bias_other"] is None:
        return by_dispersion, words if by_dispersion != "same" else ""
    together, spread = _together(row)
    by_both = _direction(log(together), spread, tolerance)
    if by_both == "worse" or by_dispersion == "same" != by_both:
        now, before = (format_value(row["label"], row[name], signed=True) for name in ("bias", "bias_other"))
        return by_both, f"mean difference {now}, was {before}"
    return by_dispersion, words if by_dispersion != "same" else ""


def _together(row: Mapping[str, Any]) -> tuple[float, float]:
    """Return the ratio of the rms differences (bias and dispersion), and its relative standard error."""
    rms, variance = [], 0.0
    for suffix in ("", "_other"):
        b, d, n = (row[f"{name}{suffix}"] for name in ("bias", "dispersion", "n"))
        square = b * b + d * d
        rms.append(sqrt(square))
        variance += (2 * d**4 + 4 * b * b * d * d) / (n * 4 * square**2)
    return rms[0] / rms[1], sqrt(variance)


def _towards_one(row: Mapping[str, Any], ratio: float, error: float, tolerance: float) -> tuple[Change, str]:
    now, before = row["dispersion"], row["dispersion_other"]
    change = _direction(abs(log(now)) - abs(log(before)), error / ratio, tolerance)
    return change, "" if change == "same" else f"dispersion in units of sigma {now:.2f}, was {before:.2f}"


def _direction(growth: float, error: float, tolerance: float) -> Literal["worse", "better", "same"]:
    """Judge the logarithm of a ratio with its standard error."""
    if abs(growth) <= max(STANDARD_ERRORS * error, log(1.0 + tolerance)):
        return "same"
    return "worse" if growth > 0 else "better"
