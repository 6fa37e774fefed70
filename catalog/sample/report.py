"""The selection of a run beside the paper's: each cut, the crossmatch, and what is known of the differences."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.errors import SampleError
from catalog.releases import Release, load_release
from catalog.sample.matches import Identified, Match, external_matches, identified, origins, survey_matches
from catalog.sample.parameters import expected_parameter

__all__ = ["DUPLICATE_RULE", "Duplicates", "ReportLine", "SelectionReport", "selection_lines", "selection_report"]

DUPLICATE_RULE = "the row with the highest SNR counts; equal ones are told apart by file and row"


@dataclass(frozen=True)
class ReportLine:
    """One count, beside the paper's where it states one."""

    part: str
    """``observed``, ``crossmatch``, ``training`` or ``samples``."""
    step: int
    cut: str
    rule: str
    """What is counted."""
    n_removed: int | None
    n: int
    stated_as: str | None
    """Name of the paper's count; None where it states none."""
    paper: int | None
    """The paper's count; None as well where it does not apply to this run."""
    difference: int | None
    percent: float | None
    comparison: str | None
    """``within tolerance``, ``differs`` or ``does not apply``; None where the paper states no count."""
    section: str | None = None
    explanation: str | None = None
    """Why the two may differ, as far as that is known."""


@dataclass(frozen=True)
class Duplicates:
    """Stars with more than one APOGEE row."""

    n_stars: int
    n_set_aside: int
    """Rows that do not count."""
    rule: str
    examples: list[int]
    """Some source_ids."""


@dataclass(frozen=True)
class SelectionReport:
    """All that is known about a run's selection."""

    run_id: int
    release: str
    """Key of the survey rows."""
    title: str
    applies: bool
    """Whether the paper's counts can be compared with this run's."""
    reason: str
    """Why not; empty when they can."""
    tolerance: float
    """Relative difference up to which counts agree."""
    lines: list[ReportLine]
    surveys: dict[str, Match]
    """Rows of each survey and those that belong to a star with a spectrum, by table name."""
    identified: list[Identified]
    """How rows without a source_id of this release were given theirs."""
    duplicates: Duplicates
    origins: dict[str, int]
    """Spectra by where they come from; an empty text stands for the archive's own files."""


def selection_report(connection: Connection, run: Run) -> SelectionReport:
    """Put the selection of `run` beside the counts that the paper states.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run

    Returns
    -------
    SelectionReport

    Raises
    ------
    SampleError
        The run has not selected its samples, or its survey rows are gone.
    """
    release = load_release(run.profile.release)
    lines, reason = selection_lines(connection, run)
    if not lines:
        raise SampleError(
            f"Run {run.run_id} has not selected its samples yet.", f"`rvscat sample --run {run.run_id}` does it."
        )
    surveys = survey_matches(connection, run.release) | external_matches(connection, run.release)
    doubles = connection.execute(load("selection/apogee_duplicates").statement, {"release": run.release}).fetchall()
    return SelectionReport(
        run.run_id,
        run.release,
        release.title,
        not reason,
        reason,
        release.expected.tolerance,
        lines,
        surveys,
        identified(connection, run.release),
        Duplicates(
            len(doubles),
            sum(n_rows - 1 for _, n_rows, _ in doubles),
            DUPLICATE_RULE,
            [source_id for source_id, *_ in doubles[:3]],
        ),
        origins(connection, run.release),
    )


def selection_lines(connection: Connection, run: Run) -> tuple[list[ReportLine], str]:
    """Return the counts of the selection of `run` beside the paper's, and why these do not apply.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run

    Returns
    -------
    lines : list of ReportLine
        Empty as long as no sample was selected.
    reason : str
        Why no number of the paper can be compared with the run's; empty when they can.
    """
    release = load_release(run.profile.release)
    parameters = {"run_id": run.run_id, "expected": expected_parameter(release)}
    # As in the selection itself: the server's default sends these joins through temporary files.
    connection.execute("SET LOCAL work_mem = '128MB'")
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(load("selection/funnel_report").statement, parameters).fetchall()
    lines = [
        ReportLine(
            **row,
            section=release.expected.sections.get(row["stated_as"] or row["cut"]),
            explanation=release.expected.explanations.get(row["stated_as"] or row["cut"]),
        )
        for row in rows
    ]
    return lines, _reason(run, release, lines)


def _reason(run: Run, release: Release, lines: list[ReportLine]) -> str:
    """Say why the paper's counts do not apply; the query decides that they do not."""
    if release.expected.spectra is None:
        return f"no counts are stated for {release.title}"
    if lines and all(line.comparison != "does not apply" for line in lines):
        return ""
    if run.profile.mock is not None:
        return "the sky is synthetic"
    if not lines:
        return "the run has not selected its samples"
    return f"the run has {lines[0].n:,} of the paper's {release.expected.spectra:,} spectra"
