"""`rvscat run`: the whole way, as one Prefect flow."""

import click
from rich.console import Console

from catalog.cli.options import profile_option, verbose_option

__all__ = ["run"]


@click.command()
@profile_option
@verbose_option
def run(profile_name: str, verbose: bool) -> None:
    """Build a whole catalogue, from survey files to ADQL.

    Runs as one Prefect flow: ingest, crossmatch and quality cuts, training, labels and uncertainties, flag_boundary,
    validation, publication. What is done is not done again, and a run that was stopped goes on where it was.
    """
    from catalog import stages
    from catalog.cli.display import StageDisplay
    from catalog.cli.summary import print_summary
    from catalog.database.connection import connect, database_url
    from catalog.database.ledger import find_run
    from catalog.database.roles import PRODUCTION
    from catalog.profiles import load_profile
    from catalog.progress import listen
    from catalog.settings import load_settings, mask_password
    from flows.environment import prepare, told_of_prefect

    profile, settings, console = load_profile(profile_name), load_settings(), Console()
    console.print(f"[bold]rvscat[/] profile {profile.name}: {profile.description}", highlight=False)
    with console.status("Starting the database ..."):
        database_url(settings)
    where = mask_password(settings.database_url) if settings.database_url else "embedded PostgreSQL"
    console.print(f"       data in {settings.home}, {where}", highlight=False, soft_wrap=True)
    prepare(settings, verbose)
    with console.status("Starting the flow ..."):
        from flows.production import build_catalogue
    display = StageDisplay(profile, stages.plan(profile), console)
    with display.showing(), listen(display), told_of_prefect():
        outcome = build_catalogue(profile_name)
    with connect(settings, role=PRODUCTION.name) as connection:
        print_summary(console, connection, find_run(connection, outcome["run_id"]), settings)
