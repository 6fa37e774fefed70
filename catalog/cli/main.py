"""Entry point: gathers the commands, and turns errors into messages and exit codes."""

import sys
from importlib import import_module

import click
from rich.console import Console
from rich.markup import escape

from catalog import __version__
from catalog.errors import RvscatError

__all__ = ["cli", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    # name: (module, one line for the overview); modules are imported when their command is used.
    "run": ("catalog.cli.run", "Build a whole catalogue, from survey files to ADQL."),
    "mock": ("catalog.cli.stage", "Write the synthetic surveys of a profile."),
    "fetch": ("catalog.cli.fetch", "Download surveys from their archives."),
    "ingest": ("catalog.cli.ingest", "Read survey files into the database."),
    "resample": ("catalog.cli.resample", "Bring RVS spectra onto the pixel grid of a release."),
    "sample": ("catalog.cli.sample", "Crossmatch and apply the quality cuts."),
    "tune": ("catalog.cli.tune", "Search better settings of network and training."),
    "train": ("catalog.cli.stage", "Train the ensemble of networks."),
    "predict": ("catalog.cli.stage", "Predict labels and uncertainties."),
    "study": ("catalog.cli.stage", "Study what the networks look at, and how robust the labels are."),
    "flag": ("catalog.cli.stage", "Compute the 8-digit flag_boundary."),
    "validate": ("catalog.cli.validate", "Compare the catalogue with external surveys."),
    "publish": ("catalog.cli.publish", "Publish a run's catalogue as TAP-ready tables."),
    "export": ("catalog.cli.publish", "Write the published catalogue to files."),
    "ensembles": ("catalog.cli.ensembles", "List, compare, verify and carry trained ensembles."),
    "query": ("catalog.cli.query", "Answer an ADQL query on the published tables."),
    "serve": ("catalog.cli.serve", "Answer TAP queries over HTTP."),
    "explain": ("catalog.cli.explain", "Tell one star's story."),
    "status": ("catalog.cli.status", "Show runs, stages, their time and memory."),
    "db": ("catalog.cli.db", "Start, stop and reach the database."),
}

ORDER = list(COMMANDS)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: `rvscat --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the stages."""
        return ORDER

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of the command `cmd_name`."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rvscat")
def cli() -> None:
    """Catalogues of stellar labels from Gaia RVS spectra.

    Data, database and results lie in the folder that RVSCAT_HOME names. RVSCAT_DATABASE_URL uses another
    PostgreSQL than the embedded one.
    """


def main() -> None:
    """Run the command line; an error that a user can act on is a message, not a traceback."""
    errors = Console(stderr=True, highlight=False)
    try:
        status = cli.main(standalone_mode=False)
    except RvscatError as error:
        errors.print(f"[bold red]Error:[/] {escape(error.message)}", soft_wrap=True)
        if error.remedy:
            errors.print(f"       {escape(error.remedy)}", soft_wrap=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        errors.print("Stopped. The same command goes on from here.")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone (`rvscat query … | head`): nothing to tell it.
        sys.stderr.close()
        sys.exit(141)
    sys.exit(status if isinstance(status, int) else 0)
