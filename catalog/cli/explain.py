"""`rvscat explain`: one star's story."""

import json

import click

__all__ = ["explain"]


@click.command()
@click.argument("source_id", type=click.IntRange(min=1), metavar="SOURCE_ID")
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def explain(source_id: int, run_id: int | None, as_json: bool) -> None:
    """Tell one star's story.

    Its files, its sample or the cut that rejected it, its labels beside those of other surveys, each digit of
    its flag with value and limits, and the versions that it is published in.
    """
    from rich.console import Console

    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.service.explain import explain as tell
    from catalog.service.story_text import render_story
    from catalog.settings import load_settings

    with connect(load_settings(), role=PRODUCTION.name) as connection:
        story = tell(connection, source_id, run_id)
    if as_json:
        click.echo(json.dumps(story.as_json(), ensure_ascii=False, indent=1))
    else:
        Console(highlight=False).print(render_story(story))
