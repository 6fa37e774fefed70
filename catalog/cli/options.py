"""Options that several commands have."""

import click

__all__ = ["profile_option", "verbose_option"]

profile_option = click.option(
    "--profile",
    "profile_name",
    default="demo",
    show_default=True,
    metavar="NAME|FILE",
    help="How the catalogue is made.",
)
verbose_option = click.option("--verbose", is_flag=True, help="Show the log of the flow.")
