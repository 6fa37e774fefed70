"""`rvscat serve`: the TAP service."""

import click

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--url", "public_url", metavar="URL", help="Address that clients use, when it is another one.")
@click.option("--quiet", is_flag=True, help="Do not log requests.")
def serve(host: str, port: int, public_url: str | None, quiet: bool) -> None:
    """Answer TAP queries on the published tables over HTTP.

    For TOPCAT, pyvo, astroquery and a browser. Publish a catalogue first (`rvscat publish`). Limits of rows, time and
    room are in service.toml in the data folder, if it is there. Ctrl-C ends the service; jobs that run go on when it
    starts again.
    """
    from catalog.service.tap.server import run_server
    from catalog.settings import load_settings

    run_server(load_settings(), host, port, public_url, quiet=quiet)
