"""`rvscat fetch`: surveys from their archives into the data folder."""

import dataclasses
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

if TYPE_CHECKING:
    from catalog.fetch.selection import Selection
    from catalog.releases.model import Source

__all__ = ["fetch"]


@click.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option("--list", "listing", is_flag=True, help="Show the sources of the release, and download nothing.")
@click.option("--release", "release_name", metavar="NAME", help="Data release  [default: that of the profile paper]")
@click.option(
    "--via", type=click.Choice(["bulk", "file", "tap", "datalink"]), help="Route to take  [default: the source's]"
)
@click.option("--healpix", metavar="LEVEL:FIRST-LAST", help="Only these HEALPix pixels (nested), for instance 5:0-47.")
@click.option(
    "--source-ids",
    "ids_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Only these sources: one source_id a line, or a CSV file with that column; - reads standard input.",
)
@click.option(
    "--missing",
    is_flag=True,
    help="Only the stars whose product the database lacks, though the ingested gaia_source has_rvs (or XP).",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Only so many files (bulk), rows (tap) or sources (datalink)."
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 32),
    help="Files, queries or calls at once  [default: 4 files, 3 queries or calls]",
)
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder  [default: surveys/TAG in the data folder]",
)
@click.option(
    "--as", "tag", metavar="TAG", help="Name of the folder that `rvscat ingest` reads  [default: the release]"
)
@click.option("--dry-run", is_flag=True, help="Say what would be downloaded, and how much.")
@click.option("--replace", is_flag=True, help="Let a file that the archive has changed take the place of the old one.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME=URL",
    help="Another address of an archive, for instance a mirror.",
)
@click.option(
    "--retries", type=click.IntRange(0, 100), default=5, show_default=True, help="Times that a request is tried again."
)
@click.option(
    "--pause",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="First pause between tries; each further one doubles it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def fetch(names: tuple[str, ...], listing: bool, release_name: str | None, as_json: bool, **options: Any) -> None:
    """Download surveys from their archives.

    Files come in parallel, each into a .part that gets its name when it is whole and its checksum is right. Whatever
    stops a download, the same command goes on from there; files that are there are not downloaded again.
    """
    from catalog.cli.fetch_report import print_sources
    from catalog.errors import NotFoundError
    from catalog.fetch.endpoints import endpoints_of, resolved
    from catalog.fetch.sources import route_of
    from catalog.profiles import load_profile
    from catalog.releases import load_release

    release = load_release(release_name or load_profile("paper").release)
    endpoints = endpoints_of(release, dict(map(_endpoint, options.pop("endpoints"))))
    if listing:
        print_sources(release, endpoints, as_json)
        return
    if options["missing"] and options["ids_file"]:
        raise click.UsageError("Give --source-ids or --missing, not both.")
    if not names:
        raise click.UsageError("Name a SOURCE; --list shows them.")
    if unknown := [name for name in names if name not in release.sources]:
        raise NotFoundError(
            f"{release.title} has no source {', '.join(unknown)}.",
            f"Sources: {', '.join(release.sources)}." if release.sources else "Its release file names none.",
        )
    sources = {name: resolved(release.sources[name], endpoints) for name in names}
    for name, source in sources.items():
        route_of(name, source, options["via"])
    tag = options.pop("tag") or release.name
    is_usual = options["folder"] is None and tag == load_profile("paper").data_release
    if _fetch(sources, tag, is_usual, as_json, **options):
        raise click.exceptions.Exit(1)


def _fetch(
    sources: dict[str, "Source"],
    tag: str,
    is_usual: bool,
    as_json: bool,
    *,
    via: str | None,
    folder: Path | None,
    jobs: int | None,
    dry_run: bool,
    replace: bool,
    retries: int,
    pause: float,
    missing: bool,
    **selection: Any,
) -> int:
    """Download, or plan to download, the sources one by one; return how many failures there were."""
    from catalog.cli.fetch_display import FetchDisplay
    from catalog.cli.fetch_report import FetchReport
    from catalog.errors import RvscatError
    from catalog.fetch import open_session
    from catalog.fetch.sources import fetch_source, plan_source, route_of
    from catalog.settings import load_settings

    wanted = _selection(**selection)
    place = (folder or load_settings().surveys / tag).absolute()
    report = FetchReport(place, tag, is_usual=is_usual, as_json=as_json)
    # For programs, standard output holds nothing but the report.
    display = FetchDisplay(list(sources), Console(stderr=as_json))
    with open_session(retries, backoff=pause, connections=jobs or 4) as session:
        if dry_run:
            logging.getLogger("urllib3").setLevel(logging.ERROR)
            for name, source in sources.items():
                part = _missing(wanted, tag, source) if missing else wanted
                at = place / source.product
                report.plan(name, plan_source(name, source, at, part, session, route=via, jobs=jobs))
        else:
            with display.showing():
                for name, source in sources.items():
                    route = route_of(name, source, via)
                    display.begin(name, f"{source.title}, by {route}", in_bytes=route in ("bulk", "file"))
                    try:
                        part = _missing(wanted, tag, source) if missing else wanted
                        options: dict[str, Any] = {"route": route, "jobs": jobs, "replace": replace}
                        result = fetch_source(name, source, place / source.product, part, session, display, **options)
                    except RvscatError as error:
                        display.end(name, "failed", failed=True)
                        report.failed(name, error)
                    else:
                        display.end(name, report.done(name, source, result), failed=bool(result.failures))
    report.print()
    return report.n_failures


def _endpoint(text: str) -> tuple[str, str]:
    name, separator, url = text.partition("=")
    if not separator or not name or not url:
        raise click.BadParameter(f"{text!r} is not NAME=URL.", param_hint="--endpoint")
    return name, url


def _selection(healpix: str | None, ids_file: Path | None, limit: int | None) -> "Selection":
    from catalog.fetch import Selection, parse_healpix, read_source_ids

    source_ids = None
    if ids_file is not None:
        source_ids = read_source_ids(sys.stdin if str(ids_file) == "-" else ids_file)
    return Selection(source_ids, parse_healpix(healpix) if healpix else None, limit)


def _missing(wanted: "Selection", tag: str, source: "Source") -> "Selection":
    """Narrow the selection to the stars of the database that lack the source's product."""
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.fetch.missing import missing_ids
    from catalog.settings import load_settings

    with connect(load_settings(), role=PRODUCTION.name) as connection:
        return dataclasses.replace(wanted, source_ids=missing_ids(connection, tag, source.product))
