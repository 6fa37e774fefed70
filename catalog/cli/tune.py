"""`rvscat tune`: search settings of network and training, or show what searches have found."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.words import duration

if TYPE_CHECKING:
    from catalog.ensemble.search import Method, SearchResult, TrialRecord

__all__ = ["print_result", "tune"]

_SHOWN = 10
"""Trials in a table: the best ones."""
_METHODS = ("bayesian", "hyperband", "random")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile to be tuned; its run has the sample.")
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option(
    "--trials",
    type=click.IntRange(1),
    metavar="N",
    help="Trials beside the profile's own settings  [default: 30, or one sweep of hyperband]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    metavar="E",
    help="Of a trial, at most  [default: 40, or the profile's own maximum]",
)
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    default="bayesian",
    show_default=True,
    help="bayesian: a Gaussian process proposes; hyperband: many short trials, the best go on; random.",
)
@click.option("--space", type=_FILE, metavar="FILE", help="TOML file that names what is searched, and where.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="S",
    help="Same seed, same trials  [default: training.seed of the profile]",
)
@click.option(
    "--out", type=_FILE, metavar="FILE", help="Where the tuned profile goes  [default: the folder of the search]"
)
@click.option("--show", is_flag=True, help="Search nothing: show what the searches have found so far.")
@click.option("--json", "as_json", is_flag=True, help="With --show: print it for programs.")
def tune(
    profile_name: str | None,
    run_id: int | None,
    trials: int | None,
    epochs: int | None,
    method: str,
    space: Path | None,
    seed: int | None,
    out: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Search better settings of network and training with keras_tuner.

    Trials are trained on the run's training sample and compared by their validation MSE on its first split, the
    profile's own settings first. A search that was stopped goes on where it was; asked for more trials, it does those
    that are missing. The result is a profile for `rvscat run --profile`.

    Without --space, the architecture of Sect. 3.1 of the paper, dropout, L2, learning rate and batch size are searched.
    """
    if profile_name is not None and run_id is not None:
        raise click.UsageError("Give --profile or --run, not both.")
    if as_json and not show:
        raise click.UsageError("--json goes with --show.")
    if show:
        _show(profile_name, run_id, out, as_json)
        return
    from catalog.cli.tune_display import TuneDisplay
    from catalog.database import ledger
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.ensemble.search import SearchOptions, load_space, require_own, search
    from catalog.profiles import load_profile
    from catalog.settings import load_settings

    if out is not None:
        require_own(out)
    # What is wrong with the question is said before anything is begun.
    options = SearchOptions(cast("Method", method), trials, epochs, seed, load_space(space))
    settings, console = load_settings(), Console(highlight=False)
    profile = load_profile(profile_name) if profile_name is not None else None
    with connect(settings, role=PRODUCTION.name) as connection:
        run = ledger.open_run(connection, profile) if profile is not None else ledger.find_run(connection, run_id)
        display = TuneDisplay(run.profile.name, console)
        with display.showing():
            result = search(connection, run, settings, options, display)
    print_result(console, result)
    _write(console, result, out)


def print_result(console: Console, result: "SearchResult") -> None:
    """Print a search: what it is, its best trials and what they change in the profile.

    Parameters
    ----------
    console : rich.console.Console
    result : SearchResult
    """
    from catalog.ensemble.search import BASE, ranked

    record = result.record
    done = sum(trial.number != BASE for trial in result.trials)
    failed = [trial for trial in result.trials if trial.status == "failed"]
    console.print(Text(f"Search {record.key[:16]} of profile {record.profile.name}, run {record.run_id}", style="bold"))
    console.print(
        f"{record.method}, seed {record.seed}; {record.n_training} stars to train on, {record.n_validation} to "
        f"validate on; {done} of {record.planned} trials of up to {record.epochs} epochs"
        + (f", {len(failed)} failed" if failed else "")
    )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("Trial", "Val. MSE", "Change", "Epoch", "Time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Settings that differ from the profile's", overflow="fold")
    order = ranked(result.trials)
    shown = order[:_SHOWN]
    if result.base is not None and result.base not in shown and result.base in order:
        shown.append(result.base)
    for trial in shown:
        table.add_row(*_row(result, trial))
    if shown:
        console.print()
        console.print(table)
    for trial in failed[:_SHOWN]:
        console.print(Text(f"Trial {trial.number} failed: {trial.message}", style="yellow"))
    for note in result.notes:
        console.print(Text(note, style="dim"))


def _row(result: "SearchResult", trial: "TrialRecord") -> list[Text]:
    from catalog.ensemble.search import BASE

    base, change = result.base, ""
    if base is not None and base.val_mse and trial.val_mse is not None and trial.number != BASE:
        percent = round(100 * (trial.val_mse / base.val_mse - 1))
        change = f"{'−' if percent < 0 else '+'}{abs(percent)} %"
    settings = ", ".join(f"{name.split('.')[1]} {_words(new)}" for name, (_, new) in result.changes(trial).items())
    return [
        Text("profile" if trial.number == BASE else str(trial.number)),
        Text(f"{trial.val_mse:.6f}"),
        Text(change),
        Text(f"{trial.best_epoch}/{trial.epochs}"),
        Text("" if trial.same_as is not None else duration(trial.wall_s)),
        Text(settings or "none"),
    ]


def _words(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def _write(console: Console, result: "SearchResult", out: Path | None) -> None:
    from catalog.ensemble.search import BASE, write_profile

    path = result.folder / "tuned.toml" if out is None else out
    best = write_profile(result, path)
    console.print()
    if best.number == BASE:
        console.print("No trial was better than the profile's own settings.")
    console.print(f"Tables   {result.folder / 'trials.csv'}, trials.json", soft_wrap=True)
    console.print(f"Profile  {path}: rvscat run --profile {path}", soft_wrap=True)


def _show(profile_name: str | None, run_id: int | None, out: Path | None, as_json: bool) -> None:
    from catalog.ensemble.search import SearchResult, known_searches, require_own, searches_folder
    from catalog.errors import NotFoundError
    from catalog.profiles import load_profile
    from catalog.settings import load_settings

    if out is not None:
        require_own(out)
    name = None if profile_name is None else load_profile(profile_name).name
    results = []
    for folder in known_searches(searches_folder(load_settings())):
        record = folder.described()
        if record is None or name not in (None, record.profile.name) or run_id not in (None, record.run_id):
            continue
        axes = record.space.axes(record.profile.network, record.profile.training)
        results.append(SearchResult(folder.path, record, folder.trials(), axes))
    if as_json:
        click.echo(json.dumps([_described(result) for result in results], ensure_ascii=False, indent=1))
        return
    if not results:
        which = "" if name is None and run_id is None else " for it"
        raise NotFoundError(f"There is no search{which} yet.", "Begin one: `rvscat tune --profile NAME`.")
    console = Console(highlight=False)
    for i, result in enumerate(results):
        if i:
            console.print()
        print_result(console, result)
    if out is not None:
        # Of several, the one that was at work last.
        _write(console, results[-1], out)


def _described(result: "SearchResult") -> dict[str, object]:
    record = result.record
    best = result.best
    return {
        "folder": str(result.folder),
        "profile": record.profile.name,
        **record.model_dump(mode="json", exclude={"profile"}),
        "best": None if best is None else best.number,
        "trials": [trial.model_dump(mode="json") for trial in result.trials],
    }
