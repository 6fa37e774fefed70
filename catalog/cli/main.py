"""Entry point: gathers the commands, and turns errors into messages and exit codes."""

import logging
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
    "update": ("catalog.cli.update", "Add new spectra to the published catalogue."),
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
    "export": ("catalog.cli.export", "Write the published catalogue to files."),
    "handover": ("catalog.cli.handover", "Write what an archive needs to take the catalogue over."),
    "ensembles": ("catalog.cli.ensembles", "List, compare, verify and carry trained ensembles."),
    "query": ("catalog.cli.query", "Answer an ADQL query on the published tables."),
    "serve": ("catalog.cli.serve", "Answer TAP queries over HTTP."),
    "explain": ("catalog.cli.explain", "Tell one star's story."),
    "status": ("catalog.cli.status", "Show runs, stages, their time and memory."),
    "doctor": ("catalog.cli.doctor", "Check what a run needs, and say what to do."),
    "prune": ("catalog.cli.prune", "Show and remove what old runs left."),
    "deploy": ("catalog.cli.deploy", "Give flows their schedules on a Prefect server."),
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
    log = _start_log()
    try:
        status = cli.main(standalone_mode=False)
    except RvscatError as error:
        _show(error, errors, log)
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
    except Exception as error:
        from traceback import format_exc

        from catalog.database.trouble import explained
        from catalog.operations.secrets import mask

        if (told := explained(error)) is not None:
            _show(told, errors, log)
            sys.exit(1)
        log.exception("unexpected error")
        sys.stderr.write(mask(format_exc()))
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _show(error: RvscatError, errors: Console, log: logging.Logger) -> None:
    log.error(error.message, extra={"remedy": error.remedy})
    errors.print(f"[bold red]Error:[/] {escape(error.message)}", soft_wrap=True)
    if error.remedy:
        errors.print(f"       {escape(error.remedy)}", soft_wrap=True)


def _start_log() -> logging.Logger:
    """Begin the log of this process, where its settings can be read; a command that cannot read them says so itself."""
    if len(sys.argv) > 1 and not {"-h", "--help", "--version"} & set(sys.argv):
        from catalog.operations.logs import start_log
        from catalog.settings import load_settings

        try:
            start_log(load_settings())
        except RvscatError:
            pass
    log = logging.getLogger("rvscat.command")
    log.addHandler(logging.NullHandler())  # for the log alone: errors are shown above
    return log
