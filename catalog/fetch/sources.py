"""One source by one of its routes, with what all routes need around them."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from catalog.errors import ConfigurationError
from catalog.fetch.bulk import plan_bulk
from catalog.fetch.errors import FetchError
from catalog.fetch.file import file_name
from catalog.fetch.lock import locked
from catalog.fetch.outcome import FetchResult
from catalog.fetch.selection import Selection
from catalog.fetch.session import GO_ON, ArchiveSession
from catalog.fetch.space import free_bytes, versions_of
from catalog.fetch.tap_parts import plan_parts
from catalog.progress import Progress, silent
from catalog.releases.model import Source

__all__ = ["Plan", "fetch_source", "plan_source", "route_of"]

_OPTIONS = {"bulk": ("jobs", "replace"), "file": ("replace",), "tap": ("jobs", "replace"), "datalink": ("jobs",)}
"""What each route can be told."""


@dataclass(frozen=True)
class Plan:
    """What a download would do, as far as that is known without it."""

    route: str
    url: str
    folder: Path
    n_parts: int
    """Files (bulk, file), queries (tap) or calls (datalink)."""
    n_there: int = 0
    """Parts that are there."""
    bytes: int | None = None
    """Bytes still to come."""
    is_exact: bool = False
    """Whether the archive said so; otherwise an estimate."""
    free: int = 0
    """Bytes free on the disk of the folder."""
    notes: list[str] = field(default_factory=list)


def route_of(name: str, source: Source, wanted: str | None) -> str:
    """Return the route to take: `wanted`, or the source's default.

    Raises
    ------
    ConfigurationError
        There is no such route to this source.
    """
    route = wanted or source.default
    if route not in source.routes:
        raise ConfigurationError(
            f"There is no route {route} to {name}.", f"Its routes: {', '.join(source.routes)} (--via)."
        )
    return route


def fetch_source(
    name: str,
    source: Source,
    folder: Path,
    selection: Selection,
    session: ArchiveSession,
    progress: Progress = silent,
    *,
    route: str | None = None,
    jobs: int | None = None,
    replace: bool = False,
) -> FetchResult:
    """Download a source into the folder of its product, alone there.

    Parameters
    ----------
    name : str
        Name of the source.
    source : Source
        With absolute addresses (`catalog.fetch.endpoints.resolved`).
    folder : Path
        Folder of the product; made if it is not there.
    selection : Selection
        What part is wanted.
    session : ArchiveSession
    progress : Progress
        Told bytes (bulk, file), rows (tap) or sources (datalink).
    route : str, optional
        ``bulk``, ``file``, ``tap`` or ``datalink``; by default the source's own.
    jobs : int, optional
        Files, queries or calls at once, where there are several; by default as many as the route finds right.
    replace : bool
        Let a file that the archive has changed take the place of the one that is there.

    Returns
    -------
    FetchResult

    Raises
    ------
    ConfigurationError
        There is no such route, or it cannot take such a selection.
    FetchError
        Nothing can be had, another download is at work in the folder, or the disk is full.
    """
    route = route_of(name, source, route)
    # A route is imported when it is taken: pyvo and astropy take a second.
    fetch: Callable[..., FetchResult] = getattr(import_module(f"catalog.fetch.{route}"), f"fetch_{route}")
    given: dict[str, Any] = {"jobs": jobs, "replace": replace}
    options = {key: given[key] for key in _OPTIONS[route] if given[key] is not None}
    try:
        with locked(folder):
            return fetch(name, source, folder, selection, session, progress, **options)
    except FetchError:
        raise
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "Make room." if is_full else "May this user write there?"
        raise FetchError(f"{error.filename or folder}: {error.strerror or error}.", f"{remedy} {GO_ON}") from error


def plan_source(
    name: str,
    source: Source,
    folder: Path,
    selection: Selection,
    session: ArchiveSession,
    *,
    route: str | None = None,
    jobs: int | None = None,
) -> Plan:
    """Say what `fetch_source` would do, without doing it.

    Bulk folders and files are asked for names and sizes; tables and products are counted from the release file.
    Parameters, and what is raised, are those of `fetch_source`.
    """
    route = route_of(name, source, route)
    free = free_bytes(folder)
    if route == "bulk":
        plan = plan_bulk(name, source, folder, selection, session, jobs=jobs or 4)
        size = sum(plan.sizes.values()) - plan.begun(folder) if plan.sizes or not plan.wanted else None
        counts = len(plan.chosen), len(plan.there)
        return Plan(route, plan.url, folder, *counts, size, plan.is_exact, free, plan.notes)
    if route == "file":
        assert source.file is not None
        file = folder / file_name(source.file.url)
        parts, trouble = versions_of({file.name: source.file.url})
        known = parts[file.name].bytes if not trouble else None
        notes = [trouble] if trouble else []
        return Plan(
            route, source.file.url, folder, 1, int(file.exists()), known or source.file.bytes, bool(known), free, notes
        )
    if route == "tap":
        from catalog.fetch.tap import TapSettings  # pyvo: see fetch_source

        assert source.tap is not None
        n_parts = len(plan_parts(source.tap, selection, TapSettings().ids_per_query))
        notes = [f"about {source.rows:,} rows in all"] if source.rows and selection.is_whole else []
        return Plan(route, source.tap.url, folder, n_parts, free=free, notes=notes)
    assert source.datalink is not None
    if selection.wanted_ids is None:
        notes = ["The identifiers have to be given: --source-ids FILE."]
        return Plan(route, source.datalink.url, folder, 0, free=free, notes=notes)
    n_ids = len(selection.wanted_ids[: selection.limit])
    n_calls = -(-n_ids // source.datalink.chunk)
    return Plan(route, source.datalink.url, folder, n_calls, free=free, notes=[f"{n_ids:,} sources"])
