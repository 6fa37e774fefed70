"""The gate before publication: a catalogue that failed its validation is not published by accident."""

import getpass
import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.errors import RvscatError
from catalog.settings import Settings

__all__ = ["Failure", "PublicationError", "Verdict", "acceptance_note", "account", "judge_run", "record_verdict"]

# So many failed checks are listed by name where a person reads them.
_LISTED = 5


class PublicationError(RvscatError, RuntimeError):
    """A catalogue may not be published: it failed its validation, or was not validated."""


class Failure(TypedDict):
    """A failed check, as it is kept with the publication."""

    comparison: str
    subset: str
    label: str
    n: int
    message: str | None


@dataclass(frozen=True)
class Verdict:
    """What validation said when a run was published, and why that was accepted."""

    n_pass: int
    n_warn: int
    n_fail: int
    n_not_run: int
    failures: tuple[Failure, ...] = ()
    accepted_reason: str | None = None
    """Null for a catalogue that needed no acceptance."""
    accepted_by: str | None = None

    @property
    def validated(self) -> bool:
        """True when at least one check could be judged."""
        return self.n_pass + self.n_warn + self.n_fail > 0

    @property
    def good(self) -> bool:
        """True when the run was validated and nothing failed."""
        return self.validated and not self.n_fail

    @property
    def words(self) -> str:
        """One sentence for people and for the headers of files."""
        text = "not validated"
        if self.validated:
            text = f"checks passed {self.n_pass}, warned {self.n_warn}, failed {self.n_fail}, not run {self.n_not_run}"
        return f"{text}; accepted: {self.accepted_reason}" if self.accepted_reason else text


def judge_run(connection: Connection, run: Run, settings: Settings) -> Verdict:
    """Tell whether `run` may be published.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        ``profile.publish.accept_failed`` is the reason to publish it even when checks have failed.
    settings : Settings
        Where the report and the thresholds lie, for the remedy.

    Returns
    -------
    Verdict
        With the reason when one was needed.

    Raises
    ------
    PublicationError
        The run failed a check or was not validated, and nobody has accepted that.
    """
    rows = connection.execute(load("publish/verdict").statement, {"run_id": run.run_id}).fetchall()
    counts = {status: n for status, n, _ in rows}
    failures: list[Failure] = next((found for status, _, found in rows if status == "fail"), [])
    reason = run.profile.publish.accept_failed
    passed, warned, failed, not_run = (counts.get(status, 0) for status in ("pass", "warn", "fail", "not run"))
    verdict = Verdict(passed, warned, failed, not_run, tuple(failures))
    if verdict.good:
        return verdict
    if not reason:
        raise _refusal(run, settings, verdict)
    return replace(verdict, accepted_reason=reason, accepted_by=account())


def acceptance_note(verdict: Verdict) -> str | None:
    """Return what a person should know of a catalogue that was accepted, or None."""
    if verdict.accepted_reason is None:
        return None
    what = (
        f"{_checks(verdict.n_fail)} failed ({_by_comparison(verdict.failures)})"
        if verdict.validated
        else "it was not validated"
    )
    return f"Published although {what}. The reason given: {verdict.accepted_reason.rstrip('.')}."


def record_verdict(connection: Connection, version: int, verdict: Verdict) -> None:
    """Keep `verdict` with the publication `version`, unless it is there already."""
    accepted = verdict.accepted_reason is not None
    values: dict[str, Any] = {
        "n_pass": verdict.n_pass,
        "n_warn": verdict.n_warn,
        "n_fail": verdict.n_fail,
        "n_not_run": verdict.n_not_run,
        "failures": Jsonb(list(verdict.failures)) if accepted else None,
        "reason": verdict.accepted_reason,
        "by": verdict.accepted_by,
    }
    # The same words again are no new decision: whose it was, and when, stays.
    connection.execute(
        "UPDATE production.publication SET n_pass = %(n_pass)s, n_warn = %(n_warn)s, n_fail = %(n_fail)s, "
        "n_not_run = %(n_not_run)s, accepted_failures = %(failures)s, accepted_reason = %(reason)s, "
        "accepted_by = %(by)s, accepted_at = CASE WHEN %(reason)s::text IS NOT NULL THEN clock_timestamp() END "
        "WHERE version = %(version)s AND (n_pass, n_warn, n_fail, n_not_run, accepted_failures, accepted_reason) "
        "IS DISTINCT FROM (%(n_pass)s::integer, %(n_warn)s::integer, %(n_fail)s::integer, %(n_not_run)s::integer, "
        "%(failures)s::jsonb, %(reason)s::text)",
        values | {"version": version},
    )


def _refusal(run: Run, settings: Settings, verdict: Verdict) -> PublicationError:
    again = f"`rvscat validate --run {run.run_id}`"
    accept = (
        f'To publish it as it is, say why: `rvscat publish --run {run.run_id} --accept-failed "REASON"` '
        "(or accept_failed under [publish] in the profile); the reason is recorded."
    )
    if not verdict.validated:
        made = ": none of its checks could be made" if verdict.n_not_run else ""
        return PublicationError(
            f"Run {run.run_id} has not been validated{made}, so it is not published.",
            f"Nothing was changed. Ingest the surveys to compare with, and validate it: {again}. {accept}",
        )
    return PublicationError(
        f"Run {run.run_id} is not published: {_checks(verdict.n_fail)} of its validation failed "
        f"({_by_comparison(verdict.failures)}): {_listed(verdict.failures)}.",
        f"Nothing was changed. See {settings.reports / f'run-{run.run_id}' / 'report.html'}. Correct the cause, or the "
        f"thresholds in {settings.home / 'checks.toml'} and validate again ({again}). {accept}",
    )


def _by_comparison(failures: tuple[Failure, ...]) -> str:
    found = Counter(each["comparison"] for each in failures)
    return ", ".join(f"{name} {n}" for name, n in found.most_common())


def _listed(failures: tuple[Failure, ...]) -> str:
    named = [
        f"{each['comparison']}, {each['subset']}, {each['label']}: {(each['message'] or 'failed').partition(';')[0]}"
        for each in failures[:_LISTED]
    ]
    more = len(failures) - _LISTED
    return "; ".join([*named, f"and {more} more"] if more > 0 else named)


def _checks(n: int) -> str:
    return "1 check" if n == 1 else f"{n} checks"


def account() -> str:
    """Return who this process runs as, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container, a number may have no name.
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"
