"""The summary that closes a run: what a person wants to know, and what to try next."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg import Connection
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.cli.words import thousands
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.metadata import LABELS
from catalog.publish.gate import acceptance_note
from catalog.publish.publications import list_publications
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.validation.checks import paper_dispersions

__all__ = ["print_summary"]

# Which rows of the validation results are shown, and how they are called.
_COMPARED = (
    ("closure", "training", "truth, training"),
    ("closure", "observed", "truth, observed"),
    ("closure", "observed, S/N 15-25", "truth, observed, S/N 15–25"),
    ("apogee", "training", "APOGEE, training"),
    ("apogee", "observed", "APOGEE, observed"),
    ("apogee", "observed, 15 <= S/N <= 25", "APOGEE, observed, S/N 15–25"),
)


def print_summary(console: Console, connection: Connection, run: Run, settings: Settings) -> None:
    """Print what `run` did and where its results lie.

    Parameters
    ----------
    console : rich.console.Console
    connection : psycopg.Connection
    run : Run
        A complete run.
    settings : Settings
    """
    console.print()
    console.print(_funnel(connection, run))
    console.print()
    console.print(_dispersions(connection, run))
    console.print()
    parameters = {"run_id": run.run_id}
    roles = {
        role: (n, inside, like)
        for role, n, inside, like in connection.execute(load("status/flags").statement, parameters).fetchall()
    }
    n, inside, like = (sum(values) for values in zip(*roles.values(), strict=True)) if roles else (0, 0, 0)
    training, observed = (roles.get(role, (0, 0, 0))[0] for role in ("training", "observed"))
    checks: dict[str, int] = dict(connection.execute(load("status/checks").statement, parameters).fetchall())
    published = [each for each in list_publications(connection) if each.run_id == run.run_id]
    lines = Table.grid(padding=(0, 2))
    lines.add_row("Catalogue", f"{thousands(n)} stars: {thousands(training)} training, {thousands(observed)} observed")
    share = f" ({100 * inside / n:.0f} %)" if n else ""
    lines.add_row("flag_boundary", f"00000000 for {thousands(inside)}{share}; {thousands(like)} training-like by t-SNE")
    lines.add_row("Checks", _check_words(checks))
    lines.add_row("Report", str(settings.reports / f"run-{run.run_id}" / "report.html"))
    if published:
        latest = published[-1]
        lines.add_row("Exports", str(settings.exports / f"v{latest.version}"))
        lines.add_row("Published", f"version {latest.version}: catalogue.rvs_cnn, catalogue.rvs_cnn_extended")
        if latest.verdict is not None and (note := acceptance_note(latest.verdict)):
            lines.add_row("", f"[yellow]{escape(note)}[/]")
    console.print(lines, soft_wrap=True, highlight=False)
    console.print()
    console.print("Try next:", highlight=False)
    for command in _next_commands(connection, run):
        console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)


def _funnel(connection: Connection, run: Run) -> Table:
    table = Table(title="Stars in and out of each cut", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("Sample")
    table.add_column("Cut")
    table.add_column("Removed", justify="right")
    table.add_column("Left", justify="right")
    before = ""
    rows = connection.execute(load("selection/funnel").statement, {"run_id": run.run_id}).fetchall()
    for sample, step, _cut, rule, removed, left in rows:
        table.add_row(sample if sample != before else "", rule, thousands(removed) if step else "", thousands(left))
        before = sample
    return table


def _dispersions(connection: Connection, run: Run) -> Table:
    table = Table(title="Dispersion of the labels against", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("Stars", justify="right")
    for label in LABELS:
        unit = f" ({label.unit})" if label.unit == "K" else ""
        table.add_column(label.text + unit, justify="right")
    rows = connection.execute(load("status/dispersions").statement, {"run_id": run.run_id}).fetchall()
    found: dict[tuple[str, str], dict[str, tuple[int, float | None]]] = {}
    for comparison, subset, label, n, _bias, dispersion, _robust in rows:
        found.setdefault((comparison, subset), {})[label] = (n, dispersion)
    for comparison, subset, words in _COMPARED:
        values = found.get((comparison, subset))
        if values:
            stars = max(n for n, _ in values.values())
            table.add_row(words, thousands(stars), *(_number(label.name, values) for label in LABELS))
    paper, paper_stars = paper_dispersions(), load_release(run.profile.release).expected.training
    table.add_row(
        "[dim]APOGEE, training, paper[/]",
        f"[dim]{thousands(paper_stars) if paper_stars else ''}[/]",
        *(f"[dim]{paper[label.name]:g}[/]" for label in LABELS),
    )
    return table


def _number(label: str, values: Mapping[str, tuple[int, float | None]]) -> str:
    dispersion = values.get(label, (0, None))[1]
    if dispersion is None:
        return "–"
    return f"{dispersion:.0f}" if label == "teff" else f"{dispersion:.3f}"


def _check_words(checks: Mapping[str, Any]) -> str:
    colours = {"pass": "green", "warn": "yellow", "fail": "red", "not run": "dim"}
    parts = [f"[{colour}]{checks[name]} {name}[/]" for name, colour in colours.items() if checks.get(name)]
    return ", ".join(parts) or "none"


def _next_commands(connection: Connection, run: Run) -> list[str]:
    row = connection.execute(
        "SELECT source_id FROM production.labelled_star WHERE run_id = %s AND role = 'observed' "
        "ORDER BY flag_bits DESC, source_id LIMIT 1",
        (run.run_id,),
    ).fetchone()
    adql = (
        "SELECT TOP 5 sourceid, teff, sigma_teff, logg, mh, alpham "
        "FROM catalogue.rvs_cnn WHERE flag_boundary = '00000000' ORDER BY mh"
    )
    # As it was called here: an environment that is not activated is not on the path.
    called = Path(sys.argv[0])
    program = os.path.relpath(called) if called.name == "rvscat" and not shutil.which("rvscat") else "rvscat"
    commands = [f'{program} query "{adql}"']
    if row is not None:
        commands.append(f"{program} explain {row[0]}")
    return [*commands, f"{program} status"]
