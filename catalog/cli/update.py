"""`rvscat update`: new spectra into the published catalogue, as one Prefect flow."""

import click
from rich.console import Console

from catalog.cli.options import profile_option, verbose_option

__all__ = ["update"]


@click.command()
@profile_option
@verbose_option
def update(profile_name: str, verbose: bool) -> None:
    """Add new spectra to the published catalogue.

    Reads survey files that have arrived, and labels, places and flags the stars that the last published run of the
    profile does not know: by its ensemble, its limits and its maps. All other stars keep what they have. The result is
    validated and published as a new version; when nothing is new, nothing is done. An update that was stopped goes on
    where it was.

    Other settings, another version of rvscat, or rows that have changed below labels need a full run: `rvscat run`.
    """
    from catalog import stages
    from catalog.cli.display import StageDisplay
    from catalog.cli.summary import print_summary
    from catalog.database.connection import connect, database_url
    from catalog.database.extensions import find_base
    from catalog.database.ledger import find_run
    from catalog.database.roles import PRODUCTION
    from catalog.profiles import load_profile
    from catalog.progress import listen
    from catalog.settings import load_settings
    from flows.environment import prepare, told_of_prefect

    profile, settings, console = load_profile(profile_name), load_settings(), Console(highlight=False)
    with console.status("Starting the database ..."):
        database_url(settings)
    with connect(settings, role=PRODUCTION.name) as connection:
        # A refusal needs no flow.
        base = find_base(connection, profile)
    console.print(f"[bold]rvscat[/] profile {profile.name}: update of run {base.run_id}")
    prepare(settings, verbose)
    with console.status("Starting the flow ..."):
        from flows.update import update_catalogue
    display = StageDisplay(profile, stages.plan(profile, extension=True), console)
    with display.showing(), listen(display), told_of_prefect():
        outcome = update_catalogue(profile_name)
    if outcome["run_id"] is None:
        console.print(f"Nothing new: the catalogue of run {base.run_id} stays as it is.")
        for note in outcome["notes"]:
            console.print(f"  {note}", soft_wrap=True, markup=False)
        return
    with connect(settings, role=PRODUCTION.name) as connection:
        print_summary(console, connection, find_run(connection, outcome["run_id"]), settings)
