"""Finds the run's number for each statement."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import isfinite
from typing import Any

from psycopg import Connection

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.errors import ConfigurationError
from catalog.releases import Release, load_release
from catalog.sample.report import ReportLine
from catalog.validation.checks import Checks, load_checks
from catalog.validation.comparisons import query_parameters
from catalog.validation.parity.facts import FACTS
from catalog.validation.parity.statements import Ref, Statement, Value
from catalog.validation.results import Result

__all__ = ["Found", "Lookup", "paper_value"]


@dataclass(frozen=True)
class Found:
    """A run's number, or why there is none."""

    value: Value | None
    why: str = ""
    """Why there is no value."""


@dataclass
class Lookup:
    """All that is known of a run."""

    connection: Connection
    run: Run
    checks: Checks
    results: Sequence[Result]
    lines: Sequence[ReportLine]
    """Of the selection."""
    _queries: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def find(self, statement: Statement) -> Found:
        """Return the run's number for `statement`."""
        origin = statement.origin
        place = origin.given[0]
        found: Found = getattr(self, f"_{place}")(getattr(origin, place), statement)
        if found.value is None or origin.take is None or place == "result":
            return found
        return Found(_taken(origin.take, [found.value] if isinstance(found.value, int | float) else found.value))

    def _nothing(self, reason: str, _: Statement) -> Found:
        return Found(None, reason)

    def _result(self, text: str, statement: Statement) -> Found:
        origin = statement.origin
        rows = self._rows(text)
        if isinstance(rows, str):
            return Found(None, rows)
        if origin.relative_to is None:
            return Found(_taken(origin.take, list(rows.values())))
        others = self._rows(origin.relative_to)
        if isinstance(others, str):
            return Found(None, others)
        if len(others) == 1:
            (other,) = others.values()
            pairs = [(value, other) for value in rows.values()]
        else:
            # Rows that differ in what the stars stand for, for instance their range of S/N.
            pairs = [(value, others[ending]) for ending, value in rows.items() if ending in others]
        ratios = [value / other for value, other in pairs if other]
        return Found(_taken(origin.take, ratios)) if ratios else Found(None, "there is nothing to divide by")

    def _rows(self, text: str) -> dict[str, float] | str:
        """Return values of the rows that `text` names, or why there are none.

        The key is what ``*`` stands for in their subset.
        """
        comparison, subset, label, column = text.split(" | ")
        pattern = re.compile(re.escape(subset).replace(r"\*", "(.*)").replace(r"\?", "."))
        own = [result for result in self.results if result.comparison == comparison]
        found = {}
        few = ""
        for result in own:
            match = pattern.fullmatch(result.subset)
            if match is None or result.label != label:
                continue
            if result.status == "not run" and column != "n":
                few = result.message
                continue
            value = result.extra[column] if column in result.extra else getattr(result, column, None)
            if value is not None and isfinite(value):
                found[match[1] if match.groups() else ""] = value
        if found:
            return found
        whole = next((result.message for result in own if result.status == "not run" and result.subset == "all"), "")
        return few or whole or "no star of this run passes the selection"

    def _query(self, text: str, statement: Statement) -> Found:
        name, row = text.split(" | ")
        if name not in self._queries:
            self._queries[name] = self._fetched(name)
        values = self._queries[name]
        if row not in values:
            raise ConfigurationError(f"{statement.id}: sql/validation/{name}.sql gives no row {row!r}.")
        value = values[row]
        return Found(None, statement.missing) if value is None or not isfinite(value) else Found(_whole(value))

    def _fetched(self, name: str) -> dict[str, float | None]:
        query = load(f"validation/{name}")
        known = query_parameters(self.run, self.checks)
        parameters = {key: known[key] for key in query.parameters}
        return dict(self.connection.execute(query.statement, parameters).fetchall())

    def _selection(self, name: str, _: Statement) -> Found:
        line = next((line for line in self.lines if name in (line.stated_as, line.cut)), None)
        return Found(None, "the run has not selected its samples") if line is None else Found(line.n)

    def _profile(self, name: str, _: Statement) -> Found:
        return Found(dotted(self.run.profile, name))

    def _release(self, name: str, _: Statement) -> Found:
        return _of_release(lambda: dotted(load_release(self.run.profile.release), name))

    def _parameter(self, name: str, _: Statement) -> Found:
        return Found(self.checks.parameters()[name])

    def _fact(self, name: str, _: Statement) -> Found:
        return _of_release(lambda: FACTS[name](self.run.profile, load_release(self.run.profile.release)))


def _of_release(read: Any) -> Found:
    try:
        return Found(read())
    except ConfigurationError as error:
        # A release that is only announced: its grid is not known yet.
        return Found(None, error.message.rstrip("."))


def paper_value(statement: Statement, release: Release) -> Value | None:
    """Return what the paper states.

    Parameters
    ----------
    statement : Statement
    release : Release
        The run's: it holds the paper's counts and limits for it.

    Returns
    -------
    float, int, str or tuple of them; None
        None where nothing is stated for this release.
    """
    value = statement.value
    if not isinstance(value, Ref):
        return value
    if value.release is not None:
        return dotted(release, value.release)
    assert value.check is not None
    comparison, subset, label = value.check.split(" | ")
    # The shipped ones: a user's thresholds do not change what the paper states.
    return next(
        check.paper[label]
        for check in load_checks().comparisons[comparison].checks
        if check.subset == subset and label in check.paper
    )


def dotted(model: Any, name: str) -> Any:
    """Return the attribute of `model` with a dotted name; a number in it is a place in a list."""
    return reduce(
        lambda value, part: value[int(part)] if part.isdigit() else getattr(value, part), name.split("."), model
    )


def _taken(take: str | None, values: Sequence[Any]) -> Value | None:
    sizes = [abs(value) for value in values]
    made: Mapping[str | None, Any] = {
        None: values[0] if len(values) == 1 else (min(values), max(values)),
        "sum": sum(values),
        "extremes": (min(values), max(values)),
        "largest": max(sizes),
        "smallest": min(sizes),
        "size": sizes[0],
        "extreme sizes": (min(sizes), max(sizes)),
    }
    taken: Value = made[take]
    return taken


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value
