"""What `rvscat fetch` says: the sources there are, what would be downloaded, what came and what did not."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.cli.words import thousands
from catalog.errors import RvscatError
from catalog.fetch import FetchResult
from catalog.fetch.endpoints import resolved
from catalog.fetch.meter import size_words
from catalog.fetch.sources import Plan
from catalog.releases import Release
from catalog.releases.model import Source

__all__ = ["FetchReport", "print_sources"]

_PARTS = {"bulk": "file", "file": "file", "tap": "query", "datalink": "call"}


def print_sources(release: Release, endpoints: Mapping[str, str], as_json: bool) -> None:
    """Print what can be downloaded."""
    if as_json:
        sources = [
            {
                "source": name,
                "title": source.title,
                "product": source.product,
                "routes": {route: getattr(resolved(source, endpoints), route).url for route in source.routes},
                "default": source.default,
                "rows": source.rows,
                "bytes": _size(source),
            }
            for name, source in release.sources.items()
        ]
        click.echo(json.dumps({"release": release.name, "endpoints": endpoints, "sources": sources}, indent=1))
        return
    table = Table(title=f"Sources of {release.title}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("Source", "Routes", "Rows", "Size"):
        table.add_column(column, justify="right" if column in ("Rows", "Size") else "left", no_wrap=column != "Source")
    for name, source in release.sources.items():
        routes = sorted(source.routes, key=lambda route: route != source.default)
        size = _size(source)
        place = "" if source.product == name else f" (into {source.product}/)"
        table.add_row(
            f"[bold]{name}[/]\n[dim]{escape(source.title)}{place}[/]",
            ", ".join(routes),
            thousands(source.rows) if source.rows else "–",
            f"~{size_words(size)}" if size else "–",
        )
    console = Console()
    console.print(table)
    console.print("The first route is taken unless --via names another. Rows and sizes are estimates.", style="dim")


class FetchReport:
    """Gathers what came of each source, and prints it at the end.

    Parameters
    ----------
    folder : Path
        Folder that holds a folder a product.
    tag : str
        Release tag of the rows to be.
    is_usual : bool
        Whether `rvscat ingest` looks into `folder` by itself.
    as_json : bool
        Print for programs.
    """

    def __init__(self, folder: Path, tag: str, *, is_usual: bool, as_json: bool) -> None:
        self._folder, self._tag, self._is_usual, self._as_json = folder, tag, is_usual, as_json
        self._entries: list[dict[str, Any]] = []
        self._lines: list[str] = []
        self._failures: list[tuple[str, RvscatError]] = []
        self._to_ingest: dict[str, str] = {}

    @property
    def n_failures(self) -> int:
        """Files, parts and sources that failed."""
        return len(self._failures)

    def plan(self, name: str, plan: Plan) -> None:
        """Take up what a download would do."""
        self._entries.append(
            {
                "source": name,
                "route": plan.route,
                "url": plan.url,
                "folder": str(plan.folder),
                "parts": plan.n_parts,
                "there": plan.n_there,
                "bytes": plan.bytes,
                "bytes_exact": plan.is_exact,
                "free": plan.free,
                "notes": plan.notes,
            }
        )
        words = [_count(plan.n_parts, _PARTS[plan.route])] if plan.n_parts else []
        if plan.n_there:
            words.append(f"{thousands(plan.n_there)} there already")
        if plan.bytes is not None:
            words.append(f"{'' if plan.is_exact else 'about '}{size_words(plan.bytes)} to come")
        words.append(f"{size_words(plan.free)} free")
        self._lines.append(f"{name}: by {plan.route} from {plan.url}\n  {', '.join(words)}, into {plan.folder}")
        self._lines.extend(f"  {note}" for note in plan.notes)

    def done(self, name: str, source: Source, result: FetchResult) -> str:
        """Take up what came, and return it in a few words."""
        self._entries.append(
            {
                "source": name,
                "files": [str(path) for path in result.files],
                "bytes": result.n_bytes,
                "skipped": result.n_skipped,
                "rows": result.n_rows,
                "missing": len(result.missing_ids),
                "notes": result.notes,
                "failures": [failure.message for failure in result.failures],
            }
        )
        self._failures.extend((name, failure) for failure in result.failures)
        self._lines.extend(f"  {name}: {note}" for note in result.notes)
        if result.files and not self._is_usual:
            self._to_ingest[source.product] = _pattern(result.files)
        words = [_count(len(result.files), "file")]
        if result.n_rows is not None:
            words.append(_count(result.n_rows, "row"))
        words.append(f"{size_words(result.n_bytes)} received")
        if result.n_skipped:
            words.append(f"{thousands(result.n_skipped)} there before")
        if len(result.missing_ids):
            words.append(f"{thousands(len(result.missing_ids))} sources without product")
        if result.failures:
            words.append(f"{len(result.failures)} failed")
        return ", ".join(words)

    def failed(self, name: str, error: RvscatError) -> None:
        """Take up that a source could not be had at all."""
        self._entries.append({"source": name, "files": [], "failures": [error.message]})
        self._failures.append((name, error))

    def print(self) -> None:
        """Print everything: what was noted, what failed and what to do next."""
        if self._as_json:
            click.echo(
                json.dumps({"folder": str(self._folder), "release": self._tag, "sources": self._entries}, indent=1)
            )
            return
        console = Console(highlight=False)
        for line in self._lines:
            console.print(line, soft_wrap=True, markup=False)
        errors = Console(stderr=True, highlight=False)
        for name, failure in self._failures:
            errors.print(f"[bold red]Failed:[/] {escape(name)}: {escape(failure.message)}", soft_wrap=True)
        for remedy in dict.fromkeys(failure.remedy for _, failure in self._failures if failure.remedy):
            errors.print(f"        {escape(remedy)}", soft_wrap=True)
        for command in self._next():
            console.print(f"Next: {command}", soft_wrap=True, markup=False)

    def _next(self) -> list[str]:
        if self._failures or not any(entry.get("files") for entry in self._entries):
            return []
        if self._is_usual:
            return ["rvscat ingest"]
        return [
            f"rvscat ingest {pattern} --product {product} --release {shlex.quote(self._tag)}"
            for product, pattern in self._to_ingest.items()
        ]


def _size(source: Source) -> int | None:
    return source.bytes or (source.file.bytes if source.file else None)


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{thousands(number)} {noun if number == 1 else plural}"


def _pattern(files: list[Path]) -> str:
    """Return a shell pattern of the files."""
    if len(files) == 1:
        return shlex.quote(str(files[0]))
    return f"{shlex.quote(str(files[0].parent))}/*{''.join(files[0].suffixes[-2:])}"
