"""`rvscat validate`: compare a run's catalogue with external surveys, and show what is known of a finished one."""

import json
from typing import Any

import click
from rich.console import Console

from catalog.cli.against import compare, other_catalogue

__all__ = ["validate"]

_HELP = """Compare the catalogue with external surveys.

Each comparison is a query in sql/validation; results, checks and figures go to a report page. With --parity, nothing is
validated again: every number that the paper states is shown beside the run's. With --against, nothing is either: the
run is set beside another one: which stars changed by how many sigma, which flags flipped, which checks got better or
worse.
"""


@click.command(help=_HELP)
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose run it is; begins one if needed.")
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option("--parity", is_flag=True, help="Validate nothing: show the paper's numbers beside those of the run.")
@click.option(
    "--against",
    metavar="RUN|published",
    callback=other_catalogue,
    help="Validate nothing: compare the run with another one, or with the published catalogue.",
)
@click.option(
    "--sigma",
    type=click.FloatRange(min=0),
    metavar="S",
    help="With --against: stars that changed by more than S sigma go to a CSV file  [default: 3]",
)
@click.option(
    "--worse",
    type=click.FloatRange(min=0),
    metavar="P",
    help="With --against: a dispersion that grew by more than P per cent got worse  [default: 5]",
)
@click.option("--strict", is_flag=True, help="With --against: exit with status 1 when a check got worse.")
@click.option("--json", "as_json", is_flag=True, help="With --parity or --against: print it for programs.")
@click.pass_context
def validate(
    context: click.Context,
    profile_name: str | None,
    run_id: int | None,
    parity: bool,
    against: int | str | None,
    sigma: float | None,
    worse: float | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Compare the catalogue with external surveys."""
    if profile_name is not None and run_id is not None:
        raise click.UsageError("Give --profile or --run, not both.")
    if against is not None:
        if parity or profile_name is not None:
            raise click.UsageError("--against shows a run that there is: give --run, and no --parity.")
        context.exit(
            compare(
                run_id,
                against,
                sigma=3.0 if sigma is None else sigma,
                tolerance=5.0 if worse is None else worse,
                strict=strict,
                as_json=as_json,
            )
        )
    for name, given in (("--sigma", sigma is not None), ("--worse", worse is not None), ("--strict", strict)):
        if given:
            raise click.UsageError(f"{name} goes with --against.")
    if not parity:
        if as_json:
            raise click.UsageError("--json goes with --parity or --against.")
        from catalog.cli.stage import perform

        perform("validate", profile_name, run_id)
        return
    if profile_name is not None:
        raise click.UsageError("--parity shows a run that there is: give --run, see `rvscat status`.")
    found, number = _parity(run_id)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    from catalog.cli.parity_display import print_parity

    print_parity(Console(highlight=False), found, number)


def _parity(run_id: int | None) -> tuple[dict[str, Any], int]:
    """Read the table that the validation of a run has written, and tell the run's number."""
    from catalog.database import ledger
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.errors import NotFoundError
    from catalog.settings import load_settings
    from catalog.validation.stage import report_folder

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection:
        run = ledger.find_run(connection, run_id)
    path = report_folder(settings, run) / "report.json"
    found = json.loads(path.read_text(encoding="utf-8")).get("parity") if path.is_file() else None
    if found is None:
        why = "is of an earlier version" if path.is_file() else "is missing"
        raise NotFoundError(
            f"Run {run.run_id} has no parity table: {path} {why}.",
            f"`rvscat validate --run {run.run_id}` makes it.",
        )
    return found, run.run_id
