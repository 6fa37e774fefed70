"""`rvscat validate --against`: two catalogues side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.status import Status

from catalog.cli.against_display import print_against

if TYPE_CHECKING:
    from catalog.progress import Progress
    from catalog.validation.against import Comparison

__all__ = ["compare", "other_catalogue"]


def other_catalogue(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """Read what ``--against`` names: the number of a run, or the published catalogue."""
    if value is None or value == "published":
        return value
    if value.isdigit() and int(value) > 0:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither the number of a run nor 'published'.", context, parameter)


def compare(
    run_id: int | None, other: int | str, *, sigma: float, tolerance: float, strict: bool, as_json: bool
) -> int:
    """Compare a run with another one, or with the published catalogue, and tell what was found.

    Parameters
    ----------
    run_id : int or None
        None for the latest.
    other : int or str
        Number of a run, or ``published``.
    sigma : float
        Stars that changed by more are listed.
    tolerance : float
        Per cent by which a dispersion must have grown to count as worse.
    strict : bool
        Whether a check that got worse is a failure.
    as_json : bool
        Print the facts for programs.

    Returns
    -------
    int
        Exit status: 1 when `strict` and a check got worse.
    """
    if strict and other == "published":
        raise click.UsageError("--strict needs another run: the published catalogue has no checks here.")
    comparison, page = _made(run_id, other, sigma, tolerance)
    if as_json:
        click.echo(page.with_suffix(".json").read_text(encoding="utf-8"), nl=False)
    else:
        print_against(Console(highlight=False), comparison, page)
    return 1 if strict and comparison.worse else 0


def _made(run_id: int | None, other: int | str, sigma: float, tolerance: float) -> "tuple[Comparison, Path]":
    from catalog.database import ledger
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.settings import load_settings
    from catalog.validation.against import compare_catalogues, find_sides
    from catalog.validation.against.report import files_of, write_comparison
    from catalog.validation.stage import report_folder

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection, Console(stderr=True).status("comparing") as status:
        run = ledger.find_run(connection, run_id)
        sides = find_sides(connection, run.run_id, None if isinstance(other, str) else other)
        folder = report_folder(settings, run)
        folder.mkdir(parents=True, exist_ok=True)
        changed = folder / f".{files_of(folder, sides[1].slug).csv.name}.partial"
        try:
            comparison, pairs = compare_catalogues(
                connection,
                *sides,
                changed,
                sigma=sigma,
                tolerance=tolerance / 100,
                progress=_telling(status),
            )
            status.update("figures and page")
            files = write_comparison(comparison, pairs, changed, folder)
        finally:
            changed.unlink(missing_ok=True)
    return comparison, files.page


def _telling(status: Status) -> "Progress":
    def told(done: float, total: float, what: str = "") -> None:
        status.update(f"{what}, {done / total:.0%}")

    return told
