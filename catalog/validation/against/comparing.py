"""Compares two catalogues: everything that the page, the terminal and the files tell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection

from catalog.database.statistics import renew_statistics
from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.validation.against.differences import Differences, differences
from catalog.validation.against.results import Change, ResultChange, judge_change, tally
from catalog.validation.against.sides import Side
from catalog.validation.against.stars import (
    Pairs,
    fetch_pairs,
    fetch_rows,
    place_counts,
    read_changed,
    write_changed,
)
from catalog.validation.results import Status

__all__ = ["Comparison", "compare_catalogues"]

SHOWN = 20
"""Stars that are shown of those that changed most."""

# More than any catalogue has.
_ALL = 2**62


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two catalogues side by side. What is called a change is this one minus the other one."""

    this: Side
    other: Side
    sigma: float
    """Changes beyond so many combined sigma are counted and listed."""
    tolerance: float
    """Fraction by which a dispersion must have grown to count as worse."""
    coverage: Sequence[Mapping[str, Any]]
    """Rows of ``sql/validation/against_coverage.sql``."""
    labels: Sequence[Mapping[str, Any]]
    """Rows of ``sql/validation/against_labels.sql``."""
    flags: Sequence[Mapping[str, Any]]
    """Rows of ``sql/validation/against_flags.sql``; none when one of them has no flags."""
    n_changed: int
    """Stars with a label that changed by more than `sigma`."""
    largest: Sequence[Mapping[str, Any]]
    """The first of them."""
    changes: Sequence[ResultChange]
    """Validation results; none when compared with the published catalogue."""
    differences: Differences

    @property
    def counts(self) -> dict[str, int]:
        """Stars in ``both``, in ``this`` and in the ``other`` catalogue alone."""
        return place_counts(self.coverage)

    @property
    def tally(self) -> dict[Change, int]:
        """How many checks changed in which way."""
        return tally(self.changes)

    @property
    def worse(self) -> list[ResultChange]:
        """Return the checks that got worse, those that fail now first."""
        found = [each for each in self.changes if each.judged and each.change == "worse"]
        return sorted(found, key=lambda each: (each.status != "fail", each.status != "warn", -(each.ratio or 0)))

    @property
    def status(self) -> Status:
        """``fail`` when a check got worse and fails, ``warn`` when one got worse, ``pass`` when none, else ``info``."""
        if self.other.published:
            return "info"
        if any(each.status == "fail" for each in self.worse):
            return "fail"
        return "warn" if self.worse else "pass"

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        return f"{self.verdict}; {self.share}" if self.verdict else self.share

    @property
    def verdict(self) -> str:
        """What became of the checks, in a few words; empty against the published catalogue."""
        if self.other.published:
            return ""
        found = self.tally
        total = sum(found[change] for change in ("worse", "better", "differs", "same"))
        if found["worse"]:
            return f"{found['worse']} of {total} checks got worse, {found['better']} better"
        if found["better"]:
            return f"{found['better']} of {total} checks got better, none got worse"
        return f"None of {total} checks got better or worse"

    @property
    def share(self) -> str:
        """How many stars changed, in a few words."""
        both = self.counts["both"]
        return f"{100 * self.n_changed / both:.2f} % of {both:,} stars changed by more than {self.sigma:g} σ"

    def as_dict(self) -> dict[str, Any]:
        """Return everything with plain values, fit for JSON."""
        return {
            "this": asdict(self.this),
            "other": asdict(self.other),
            "verdict": {"status": self.status, "headline": self.headline, "checks": self.tally},
            "sigma": self.sigma,
            "tolerance": self.tolerance,
            "stars": {**self.counts, "changed": self.n_changed},
            "coverage": list(self.coverage),
            "labels": list(self.labels),
            "flags": list(self.flags),
            "largest": list(self.largest),
            "results": [each.as_dict() for each in self.changes],
            "differences": self.differences,
        }


def compare_catalogues(
    connection: Connection,
    this: Side,
    other: Side,
    changed: Path,
    *,
    sigma: float = 3.0,
    tolerance: float = 0.05,
    progress: Progress = silent,
) -> tuple[Comparison, Pairs]:
    """Compare two catalogues.

    Parameters
    ----------
    connection : psycopg.Connection
    this, other : Side
        See `catalog.validation.against.sides.find_sides`.
    changed : pathlib.Path
        CSV file to write the stars into that changed by more than `sigma`.
    sigma : float
        In units of sqrt(sigma^2 + sigma^2), the overall sigmas of both.
    tolerance : float
        Fraction by which a dispersion must have grown to count as worse.
    progress : Progress

    Returns
    -------
    tuple of Comparison and Pairs
        The comparison, and the columns for its figures.

    Raises
    ------
    SampleError
        They have no star in common.
    """
    parameters = {
        "run_id": this.run_id,
        "other_run_id": other.run_id,
        "release": this.release,
        "sigma": sigma,
        "most": _ALL,
    }
    # All stars of both are joined several times, some of them perhaps written a moment ago.
    renew_statistics(connection, "production.label", "production.sample_star", "production.boundary")
    connection.execute("SET LOCAL work_mem = '128MB'")
    progress(0, 10, "stars in both")
    coverage = fetch_rows(connection, "coverage", parameters)
    if not place_counts(coverage)["both"]:
        raise SampleError(
            f"{this.title.capitalize()} and {other.title} have no star in common.",
            "Were they made from the same survey files? `rvscat status` lists the runs.",
        )
    progress(1, 10, "labels")
    labels = fetch_rows(connection, "labels", parameters)
    progress(5, 10, "flags")
    flags = fetch_rows(connection, "flags", parameters)
    progress(6, 10, "stars that changed")
    n_changed = write_changed(connection, parameters, changed)
    progress(8, 10, "columns for figures")
    pairs = fetch_pairs(connection, {name: parameters[name] for name in ("run_id", "other_run_id", "release")})
    results = [] if other.published else fetch_rows(connection, "results", parameters)
    progress(10, 10, "compared")
    comparison = Comparison(
        this,
        other,
        sigma,
        tolerance,
        coverage,
        labels,
        flags,
        n_changed,
        read_changed(changed, SHOWN),
        [judge_change(row, tolerance) for row in sorted(results, key=_place)],
        differences(this, other),
    )
    return comparison, pairs


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what rows are sorted by: ranges of S/N by their numbers, labels in their one order."""
    subset = [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", row["subset"])]
    order = [label.name for label in LABELS]
    return row["comparison"], subset, order.index(row["label"]) if row["label"] in order else len(order), row["label"]
