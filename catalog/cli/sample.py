"""`rvscat sample`: select the samples, or show the selection beside the paper's."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from catalog.cli.words import thousands

if TYPE_CHECKING:
    from catalog.sample.matches import Identified, Match
    from catalog.sample.report import ReportLine, SelectionReport

__all__ = ["print_report", "sample"]

_PARTS = {
    "observed": "Observed sample",
    "crossmatch": "Crossmatch with APOGEE",
    "training": "Training sample",
    "samples": "Samples",
}
_COLOURS = {"within tolerance": "green", "differs": "yellow", "does not apply": "dim"}
_WAYS = {
    ("k2gap_star", "catalogue"): "have the Gaia id that their catalogue gives",
    ("k2gap_star", "position"): "were given the nearest Gaia source",
    ("k2gap_star", "none"): "have no Gaia source",
    ("cluster_member", "neighbourhood"): "are listed under a Gaia DR2 id and were given the nearest DR3 source",
    ("cluster_member", "none"): "are listed under a Gaia DR2 id for which no DR3 source is known",
}


@click.command()
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose run it is; begins one if needed.")
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option(
    "--report", is_flag=True, help="Select nothing: show each cut beside the paper's counts, and the crossmatch."
)
@click.option("--json", "as_json", is_flag=True, help="With --report: print it for programs.")
def sample(profile_name: str | None, run_id: int | None, report: bool, as_json: bool) -> None:
    """Crossmatch the surveys and apply the quality cuts.

    Every star with an RVS spectrum becomes a training star, an observed star, or a rejected one with the first cut that
    it failed (sql/selection).
    """
    if profile_name is not None and run_id is not None:
        raise click.UsageError("Give --profile or --run, not both.")
    if not report:
        if as_json:
            raise click.UsageError("--json goes with --report.")
        from catalog.cli.stage import perform

        perform("sample", profile_name, run_id)
        return
    if profile_name is not None:
        raise click.UsageError("--report shows a run that there is: give --run, see `rvscat status`.")
    from catalog.database.connection import connect
    from catalog.database.ledger import find_run
    from catalog.database.roles import PRODUCTION
    from catalog.sample.report import selection_report
    from catalog.settings import load_settings

    with connect(load_settings(), role=PRODUCTION.name) as connection, Console(stderr=True).status("counting"):
        found = selection_report(connection, find_run(connection, run_id))
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=1))
    else:
        print_report(Console(highlight=False), found)


def print_report(console: Console, report: "SelectionReport") -> None:
    """Print a selection report.

    Parameters
    ----------
    console : rich.console.Console
    report : SelectionReport
    """
    console.print(Text(f"Selection of run {report.run_id}, release {report.release}", style="bold"))
    if report.applies:
        console.print(f"Paper: Guiglion et al. (2024). Differences up to {100 * report.tolerance:g} % are marked ✓.")
    else:
        console.print(Text(f"The paper's counts do not apply: {report.reason}.", style="yellow"))
    notes: list[str] = []
    console.print()
    console.print(_funnel(report, notes))
    for number, note in enumerate(notes, 1):
        # A grid wraps the text beside its number.
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(f"[{number}]", style="dim"), Text(note, style="dim"))
        console.print(grid)
    console.print()
    console.print(_surveys(report.surveys))
    for sentence in _sentences(report):
        console.print(Text(sentence))


def _funnel(report: "SelectionReport", notes: list[str]) -> Table:
    table = _table("", "Removed", "Count", "Paper", *(["Difference"] if report.applies else []))
    part = ""
    for line in report.lines:
        if line.part != part:
            part = line.part
            if table.row_count:
                table.add_row()
            table.add_row(Text(_PARTS[part], style="bold"))
        removed = "" if line.n_removed is None else thousands(line.n_removed)
        beside = _beside(line, notes) if report.applies else (_not_beside(line),)
        table.add_row(_indented(line.rule), removed, thousands(line.n), *beside)
    return table


def _not_beside(line: "ReportLine") -> Text:
    return Text(line.comparison or "", style="dim")


def _beside(line: "ReportLine", notes: list[str]) -> tuple[Text, Text]:
    """Return the paper's count with the number of its note, and the difference."""
    number = ""
    if line.explanation is not None:
        notes.append(f"{line.section}. {line.explanation}" if line.section else line.explanation)
        number = f" [{len(notes)}]"
    if line.paper is None or line.difference is None or line.percent is None or line.comparison is None:
        return Text(number), Text()
    sign = "−" if line.difference < 0 else "+"
    words = f"{sign}{thousands(abs(line.difference))} ({sign}{abs(line.percent):.2f} %)" if line.difference else "0"
    mark = "✓" if line.comparison == "within tolerance" else " "
    return Text(f"{thousands(line.paper)}{number}"), Text(f"{words} {mark}", style=_COLOURS[line.comparison])


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(Text(first))
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _indented(text: str) -> Padding:
    return Padding(Text(text, overflow="fold"), (0, 0, 0, 2))


def _surveys(surveys: dict[str, "Match"]) -> Table:
    table = _table("Rows that belong to a spectrum", "Rows", "Matched", "Stars", "No source_id")
    for name, match in surveys.items():
        counts = (match.n_rows, match.n_matched, match.n_stars)
        unidentified = thousands(match.n_unidentified) if match.n_unidentified else ""
        table.add_row(_indented(name), *map(thousands, counts), unidentified)
    return table


def _sentences(report: "SelectionReport") -> list[str]:
    duplicates = report.duplicates
    lines = []
    if duplicates.n_stars:
        some = ", ".join(map(str, duplicates.examples))
        stars = "1 star" if duplicates.n_stars == 1 else f"{thousands(duplicates.n_stars)} stars"
        rows = "1 row is" if duplicates.n_set_aside == 1 else f"{thousands(duplicates.n_set_aside)} rows are"
        lines.append(
            f"APOGEE has more than one row for {stars} (for instance {some}): {duplicates.rule}; {rows} set aside."
        )
    for found in report.identified:
        way = _WAYS[found.survey, found.method]
        lines.append(f"{thousands(found.n_rows)} rows of {found.survey} {way}{_doubts(found)}.")
    lines += [f"{thousands(n)} spectra were {origin}." for origin, n in report.origins.items() if origin]
    return lines


def _doubts(found: "Identified") -> str:
    doubts = []
    if found.n_ambiguous:
        doubts.append(f"{thousands(found.n_ambiguous)} had several candidates")
    if found.n_disputed:
        words = "another source is nearer" if found.survey == "k2gap_star" else "another member has the same id"
        doubts.append(f"for {thousands(found.n_disputed)} {words}")
    return f" ({', '.join(doubts)})" if doubts else ""
