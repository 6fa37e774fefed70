"""Downloads as tasks: one a source."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.database.connection import connect
from catalog.database.roles import PRODUCTION
from catalog.errors import NotFoundError, SampleError
from catalog.fetch import open_session
from catalog.fetch.endpoints import endpoints_of, resolved
from catalog.fetch.missing import missing_ids
from catalog.fetch.selection import Selection, parse_healpix
from catalog.fetch.sources import fetch_source
from catalog.profiles import load_profile
from catalog.progress import listener
from catalog.releases import load_release
from catalog.releases.model import Source
from catalog.settings import load_settings

__all__ = ["download", "find_sources"]


def find_sources(profile: str, names: list[str]) -> dict[str, Source]:
    """Return sources of a profile's release by name, with their addresses.

    Raises
    ------
    NotFoundError
        The release has no such source.
    """
    release = load_release(load_profile(profile).release)
    if unknown := [name for name in names if name not in release.sources]:
        raise NotFoundError(
            f"{release.title} has no source {', '.join(unknown)}.", f"Sources: {', '.join(release.sources)}."
        )
    endpoints = endpoints_of(release)
    return {name: resolved(release.sources[name], endpoints) for name in names}


@task(cache_policy=NO_CACHE, persist_result=False)
def download(profile: str, name: str, only_missing: bool = False, healpix: str = "") -> dict[str, Any]:
    """Download one source into the data folder, as `rvscat fetch` does.

    Parameters
    ----------
    profile : str
    name : str
        Name of the source.
    only_missing : bool
        Only the stars whose product the database lacks.
    healpix : str
        ``LEVEL:FIRST-LAST``, or nothing.

    Returns
    -------
    dict
        ``files`` that are there, ``bytes`` that came, ``notes``, and ``failures``: what could not be had while the
        rest went on.
    """
    source, settings = find_sources(profile, [name])[name], load_settings()
    tag = load_profile(profile).data_release
    wanted = None
    if only_missing:
        try:
            with connect(settings, role=PRODUCTION.name) as connection:
                wanted = missing_ids(connection, tag, source.product)
        except SampleError as error:
            return {"files": 0, "bytes": 0, "notes": [f"{name}: {error}"], "failures": []}
    selection = Selection(source_ids=wanted, healpix=parse_healpix(healpix) if healpix else None)
    with open_session() as session:
        result = fetch_source(name, source, settings.surveys / tag / source.product, selection, session, listener())
    return {
        "files": len(result.files),
        "bytes": result.n_bytes,
        "notes": [f"{name}: {note}" for note in result.notes],
        "failures": [f"{name}: {failure}" for failure in result.failures],
    }
