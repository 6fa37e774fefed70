"""`rvscat ensembles variants`: ensembles that do without some of the inputs, compared in one report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from catalog.cli.ensembles_display import label_columns, table
from catalog.metadata import LABELS

if TYPE_CHECKING:
    from psycopg import Connection

    from catalog.database.ledger import Run
    from catalog.ensemble.variants import VariantStudy
    from catalog.settings import Settings

__all__ = ["print_study", "variants"]

_NAMES = ("rvs", "no-xp", "no-parallax")


def _chosen(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    for name in names:
        if name not in _NAMES:
            raise click.BadParameter(f"{name!r} is none of {', '.join(_NAMES)}.", context, parameter)
    return names


_HELP = """Train variants of a run's ensemble and compare them.

\b
rvs          RVS spectra alone (Appendix B)
no-xp        without XP coefficients
no-parallax  without parallax

Each is an ensemble of its own, trained on the run's training sample; a training that was stopped goes on. The run keeps
its ensemble and its labels. A report page compares them all.
"""


@click.command(help=_HELP)
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose run it is.")
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option(
    "--only",
    default=",".join(_NAMES),
    metavar="NAMES",
    callback=_chosen,
    help="Some of them, with commas  [default: all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison for programs.")
def variants(profile_name: str | None, run_id: int | None, only: tuple[str, ...], as_json: bool) -> None:
    """Train variants of a run's ensemble and compare them."""
    from catalog.database import ledger
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.profiles import load_profile
    from catalog.settings import load_settings
    from catalog.validation.variants import write_variant_report

    if profile_name is not None and run_id is not None:
        raise click.UsageError("Give --profile or --run, not both.")
    settings, console = load_settings(), Console(highlight=False, stderr=as_json)
    profile = load_profile(profile_name) if profile_name is not None else None
    with connect(settings, role=PRODUCTION.name) as connection:
        run = ledger.open_run(connection, profile) if profile is not None else ledger.find_run(connection, run_id)
        with ledger.exclusive(connection, run):
            study = _study(connection, run, only, settings, console)
    page = write_variant_report(study, settings)
    if as_json:
        click.echo((page.parent / "variants.json").read_text(encoding="utf-8"), nl=False)
    else:
        print_study(console, study, page)


def _study(
    connection: "Connection", run: "Run", names: Sequence[str], settings: "Settings", console: Console
) -> "VariantStudy":
    """Train what is missing and judge all."""
    from catalog import stages
    from catalog.cli.display import StageDisplay
    from catalog.ensemble.registry.keys import ensemble_keys
    from catalog.ensemble.registry.listing import list_ensembles
    from catalog.ensemble.stage import train_ensemble
    from catalog.ensemble.variants import VARIANTS, study_variants, title_of, variant_run

    train = stages.find_stage("train")
    display = StageDisplay(run.profile, [train], console)
    with display.showing():
        _, result = stages.run_stage(connection, run, train.name, settings, display)
    trained = {int(result.counts["ensemble_id"]): title_of(run.profile.network)}
    known = {each.key: each for each in list_ensembles(connection, settings) if each.folder == "whole"}
    for variant in VARIANTS:
        other = variant_run(run, variant)
        if variant.name not in names:
            # Trained before, it belongs into the report.
            before = known.get(ensemble_keys(connection, other)[0])
            trained |= {before.ensemble_id: variant.title} if before else {}
            continue
        display = StageDisplay(other.profile, [replace(train, title=variant.title)], console)
        with display.showing():
            display.begin(train.name)
            result = train_ensemble(connection, other, settings, display)
            display.end(train.name, result.counts, result.notes, skipped=not result.counts["members_trained"])
        trained.setdefault(int(result.counts["ensemble_id"]), variant.title)
    listed = {each.ensemble_id: each for each in list_ensembles(connection, settings)}
    return study_variants(run.run_id, run.release, [(title, listed[i]) for i, title in trained.items()])


def print_study(console: Console, study: "VariantStudy", page: Path) -> None:
    """Print what variants cost.

    Parameters
    ----------
    console : rich.console.Console
    study : VariantStudy
    page : pathlib.Path
        Of the report.
    """
    from catalog.validation.results import format_value

    made = table("", ">Id", *label_columns(), title="Out-of-fold dispersion of CNN − APOGEE, relative to the first")
    for each in study.variants:
        cells = []
        for label in LABELS:
            value = each.metrics["all"]["out_of_fold"][label.name]["dispersion"]
            ratio = study.ratio(each, label.name) if each is not study.variants[0] else None
            text = format_value(label.name, value, unit=False)
            cells.append(text if ratio is None else f"{text} ×{ratio:.2f}")
        made.add_row(each.title.partition(" (")[0], str(each.ensemble.ensemble_id), *cells)
    console.print()
    console.print(made)
    console.print(f"\nReport  {page}", soft_wrap=True)
