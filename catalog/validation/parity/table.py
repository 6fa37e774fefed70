"""The table: one row a number of the paper, judged where it applies to the run."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from psycopg import Connection

from catalog.database.ledger import Run
from catalog.releases import Release, load_release
from catalog.sample.report import selection_lines
from catalog.validation.checks import Checks
from catalog.validation.parity.judging import agreement, difference_words, rule_words, write_value
from catalog.validation.parity.statements import Origin, Statement, Value, load_statements
from catalog.validation.parity.values import Lookup, paper_value
from catalog.validation.results import Result

__all__ = ["STATUSES", "Parity", "ParityRow", "ParityStatus", "compare_with_paper", "write_csv"]

ParityStatus = Literal["same", "differs", "does not apply", "not stated"]

STATUSES: tuple[ParityStatus, ...] = ("same", "differs", "does not apply", "not stated")


@dataclass(frozen=True)
class ParityRow:
    """One number of the paper beside that of a run."""

    id: str
    section: str
    """Title of the part of the table."""
    at: str
    """Where in the paper."""
    text: str
    unit: str
    paper: Value | None
    run: Value | None
    paper_text: str
    run_text: str
    difference: str
    """Ratio or difference in words; empty where the number does not apply."""
    status: ParityStatus
    """``not stated``: the run has no such number."""
    reason: str
    """Why it does not apply or is not stated."""
    rule: str
    """How the two are held against each other."""
    source: str
    """What of the run it is."""
    query: str
    """The file that gives it."""
    decided: str
    """What holds where the paper contradicts itself or leaves something open."""


@dataclass(frozen=True)
class Parity:
    """All numbers."""

    applies: bool
    """Whether the run has the paper's stars."""
    reason: str
    """Why not; empty when it has."""
    rows: Sequence[ParityRow]

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows of each status."""
        found = Counter(row.status for row in self.rows)
        return {status: found[status] for status in STATUSES}

    @property
    def sections(self) -> list[tuple[str, list[ParityRow], dict[str, int]]]:
        """Title, rows and counts of each part, in order."""
        titles = dict.fromkeys(row.section for row in self.rows)
        parts = ((title, [row for row in self.rows if row.section == title]) for title in titles)
        return [(title, rows, Parity(self.applies, self.reason, rows).counts) for title, rows in parts]

    def as_dict(self) -> dict[str, Any]:
        """Return everything with plain values, fit for JSON."""
        return {
            "applies": self.applies,
            "reason": self.reason,
            "counts": self.counts,
            "rows": [asdict(row) for row in self.rows],
        }


def compare_with_paper(connection: Connection, run: Run, checks: Checks, results: Sequence[Result]) -> Parity:
    """Put every number of the paper beside that of `run`.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    checks : Checks
        Their parameters are used by the queries.
    results : sequence of Result
        Rows of all comparisons of the run.

    Returns
    -------
    Parity

    Raises
    ------
    ConfigurationError
        ``paper.toml`` is invalid, or names a row that its query does not give.
    """
    lines, reason = selection_lines(connection, run)
    lookup = Lookup(connection, run, checks, results, lines)
    return Parity(not reason, reason, list(_rows(lookup, load_release(run.profile.release), reason)))


def _rows(lookup: Lookup, release: Release, reason: str) -> Iterator[ParityRow]:
    tolerance = release.expected.tolerance
    for section in load_statements():
        for statement in section.statements:
            paper, found = paper_value(statement, release), lookup.find(statement)
            why = _why_not(statement, lookup.run, reason)
            if paper is None:
                why = why or f"nothing is stated for {release.title}"
            status: ParityStatus = "does not apply"
            difference = ""
            if statement.origin.nothing is not None or (not why and found.value is None):
                status, why = "not stated", found.why
            elif not why:
                assert paper is not None
                assert found.value is not None
                status = "same" if agreement(statement, paper, found.value, tolerance) else "differs"
                difference = difference_words(statement, paper, found.value)
            elif not reason and paper is not None and found.value is not None:
                difference = difference_words(statement, paper, found.value)
            source, query = _source(statement.origin)
            yield ParityRow(
                statement.id,
                section.title,
                statement.at,
                statement.text,
                statement.unit,
                paper,
                found.value,
                _stated(statement, paper),
                write_value(found.value, statement, paper),
                difference,
                status,
                why,
                rule_words(statement, paper, tolerance),
                source,
                query,
                statement.decided,
            )


def _why_not(statement: Statement, run: Run, reason: str) -> str:
    """Say why a number does not apply to a run; empty when it does."""
    if statement.superseded:
        return "the paper contradicts it"
    if statement.applies == "paper" and reason:
        return reason
    if statement.network == "rvs" != run.profile.network.variant:
        return "of an ensemble that has the RVS spectra alone; `rvscat ensembles variants` makes one"
    if statement.network == "full" != run.profile.network.variant:
        return f"the ensemble is a variant, {run.profile.network.variant}, without some of the paper's inputs"
    return "it depends on the machine" if statement.kind == "not judged" else ""


_SIGNS = {"at most": "≤ ", "at least": "≥ ", "above": "> ", "about": "≈ "}


def _stated(statement: Statement, paper: Value | None) -> str:
    return _SIGNS.get(statement.kind, "") + write_value(paper, statement) if paper is not None else "–"


def _source(origin: Origin) -> tuple[str, str]:
    """Return what of the run a number is, and the file that gives it."""
    place = origin.given[0]
    name = getattr(origin, place)
    if place == "result":
        comparison, *rest = name.split(" | ")
        words = " · ".join(rest) if origin.take is None else f"{origin.take} of {' · '.join(rest)}"
        relative = f" ÷ {origin.relative_to.replace(' | ', ' · ')}" if origin.relative_to else ""
        return words + relative, f"sql/validation/{comparison}.sql"
    if place == "query":
        query, row = name.split(" | ")
        return row, f"sql/validation/{query}.sql"
    return {
        "selection": (name, "sql/selection/funnel_report.sql"),
        "profile": (name, "the run's profile"),
        "release": (name, "the release's description"),
        "parameter": (name, "checks.toml"),
        "fact": (name, "the run's settings"),
        "nothing": ("", ""),
    }[place]


def write_csv(parity: Parity, path: Path) -> None:
    """Write the table for spreadsheets and TOPCAT: one line a number, several values divided by semicolons.

    Parameters
    ----------
    parity : Parity
    path : Path
    """
    columns = ("id", "section", "at", "text", "unit", "paper", "run", "difference", "status", "reason", "rule",
               "source", "query", "decided")  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(getattr(row, column)) for column in columns] for row in parity.rows)


def _plain(value: Value | None) -> str | float | int | None:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else value
