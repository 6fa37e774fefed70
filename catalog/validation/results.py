"""One row of a comparison, and what all rows say together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

from catalog.metadata import LABELS, Label

__all__ = ["STATUSES", "Result", "Status", "Verdict", "find", "format_value", "label_of", "verdict"]

Status = Literal["pass", "warn", "fail", "not run", "info"]

STATUSES: tuple[Status, ...] = ("fail", "warn", "pass", "not run", "info")
"""All statuses, the most serious first."""


@dataclass(frozen=True)
class Result:
    """Difference between two sets of values, for one subset of stars and one label."""

    comparison: str
    """Name of the comparison and of its query."""
    subset: str
    label: str
    """Column of the catalogue, or a digit of the flag."""
    n: int
    bias: float | None = None
    """Mean difference."""
    dispersion: float | None = None
    """Standard deviation of the differences."""
    robust_dispersion: float | None = None
    """Half the width of the differences between percentiles 15.87 and 84.13."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further columns of the query."""
    status: Status = "info"
    message: str = ""
    paper: float | None = None
    """Dispersion that the paper states."""
    source: str = ""
    """Where the threshold comes from."""

    @property
    def query(self) -> str:
        """The SQL file that gave this row, below ``sql/``."""
        return f"validation/{self.comparison}"

    def as_dict(self) -> dict[str, Any]:
        """Return the row with plain values, fit for JSON."""
        values = {**asdict(self), "query": self.query}
        return {
            key: None if isinstance(value, float) and not isfinite(value) else value for key, value in values.items()
        }


@dataclass(frozen=True)
class Verdict:
    """What all checks say together."""

    status: Status
    headline: str
    counts: dict[str, int]
    """Number of rows of each status."""


def verdict(results: Iterable[Result]) -> Verdict:
    """Return the verdict on a catalogue: its worst check decides."""
    found = Counter(result.status for result in results)
    counts: dict[str, int] = {status: found[status] for status in STATUSES}
    judged = counts["pass"] + counts["warn"] + counts["fail"]
    if not judged:
        return Verdict("not run", "Not validated: no check could be run", counts)
    passed = f"{counts['pass']} of {judged} checks passed"
    if counts["fail"]:
        return Verdict("fail", f"{counts['fail']} {_checks(counts['fail'])} failed; {passed}", counts)
    if counts["warn"]:
        return Verdict("warn", f"{passed}, {counts['warn']} with a warning", counts)
    return Verdict("pass", f"All {judged} checks passed", counts)


def _checks(n: int) -> str:
    return "check" if n == 1 else "checks"


def find(results: Sequence[Result], comparison: str, subset: str, label: str) -> Result | None:
    """Return the row of that comparison, subset and label, or None."""
    for result in results:
        if (result.comparison, result.subset, result.label) == (comparison, subset, label):
            return result
    return None


def label_of(name: str) -> Label | None:
    """Return the label of column `name`, or None for a flag digit."""
    return next((label for label in LABELS if label.name == name), None)


def format_value(name: str, value: float | None, *, signed: bool = False, unit: bool = True) -> str:
    """Write a difference of label `name` with the digits and unit it deserves.

    Parameters
    ----------
    name : str
        Column of the catalogue.
    value : float or None
    signed : bool
        Write the sign of positive values too.
    unit : bool
        Write ``K`` behind temperatures.
    """
    if value is None:
        return "–"
    text = f"{value:{'+' if signed else ''},.{0 if name == 'teff' else 3}f}".replace("-", "−")
    return f"{text} K" if unit and name == "teff" else text
