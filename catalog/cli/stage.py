"""Commands that do one stage of a run: each thin, all alike."""

from dataclasses import replace
from inspect import cleandoc
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.database.ledger import StageResult
    from catalog.profiles import Profile

__all__ = ["flag", "mock", "perform", "predict", "stage_command", "study", "train"]


def perform(
    name: str,
    profile_name: str | None,
    run_id: int | None,
    change: "Callable[[Profile], Profile] | None" = None,
) -> "StageResult":
    """Do stage `name` of the run of a profile, of run `run_id`, or of the latest run.

    `change` may change settings for this once; those that the run is found by must stay.
    """
    from catalog import stages
    from catalog.cli.display import StageDisplay
    from catalog.database import ledger
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.profiles import load_profile
    from catalog.releases import load_release
    from catalog.settings import load_settings
    from flows.distribution import distributed
    from flows.environment import prepare

    settings, console = load_settings(), Console()
    profile = load_profile(profile_name) if profile_name is not None else None
    if profile is not None:
        # A release that cannot be used is an error before a run of it begins.
        load_release(profile.release)
    with connect(settings, role=PRODUCTION.name) as connection:
        run = ledger.open_run(connection, profile) if profile is not None else ledger.find_run(connection, run_id)
        if change is not None:
            run = replace(run, profile=change(run.profile))
        if warning := load_release(run.profile.release).warning:
            console.print(f"Note: {warning}", style="yellow", soft_wrap=True, markup=False, highlight=False)
        display = StageDisplay(run.profile, [stages.find_stage(name)], console)
        if settings.task_runner != "local":
            prepare(settings)
        with ledger.exclusive(connection, run), distributed(settings), display.showing():
            _, result = stages.run_stage(connection, run, name, settings, display)
    return result


def stage_command(name: str, text: str) -> click.Command:
    """Make the command of stage `name` with the help `text`."""

    @click.command(name, help=cleandoc(text))
    @click.option(
        "--profile", "profile_name", metavar="NAME|FILE", help="Profile whose run it is; begins one if needed."
    )
    @click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
    def command(profile_name: str | None, run_id: int | None) -> None:
        if profile_name is not None and run_id is not None:
            raise click.UsageError("Give --profile or --run, not both.")
        perform(name, profile_name, run_id)

    return command


mock = stage_command(
    "mock",
    """Write the synthetic surveys of a profile.

    The files have the archives' own formats and lie in the data folder under surveys/. Same size and seed, same
    bytes.""",
)
train = stage_command(
    "train",
    """Train the ensemble of networks.

    A training that was stopped goes on with the members that are missing; an ensemble that exists for the same training
    sample and settings is used again.""",
)
predict = stage_command(
    "predict",
    """Predict labels and uncertainties of the training and the observed sample.

    Mean and standard deviation over all members; overall uncertainty by adding the running dispersion of CNN - APOGEE
    in quadrature.""",
)
study = stage_command(
    "study",
    """Study what the networks look at, and how robust the labels are.

    Mean gradients of the labels with respect to every pixel and XP coefficient, with line identifications; response of
    the labels to imperfect spectra. The catalogue does not depend on it; the report shows it.""",
)
flag = stage_command(
    "flag",
    """Compute flag_boundary.

    Eight digits: Teff, log g, [M/H], [alpha/M], [Fe/H], G and parallax within the limits of the training sample, and
    likeness of the spectrum to it (t-SNE). New stars are placed in frozen maps when the profile names them
    (likeness.reference); otherwise maps are fitted to all stars.""",
)
