"""The flows that `rvscat deploy` gives a schedule: thin, each a part of the way that `build_catalogue` goes.

Run late, or twice, they ask the ledger and end as "Nothing new". A run that would wait for an answer has no place
here: nobody is there.
"""

from pkgutil import resolve_name
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from catalog import __version__, stages
from catalog.database import ledger
from catalog.database.connection import connect
from catalog.database.roles import PRODUCTION
from catalog.ensemble.studies.stage import study_ensemble
from catalog.profiles import Profile, load_profile
from catalog.progress import listener
from catalog.settings import load_settings
from flows.distribution import distributed
from flows.downloads import download, find_sources
from flows.naming import run_name
from flows.outcome import Outcome
from flows.parameters import HEALPIX, ONLY_MISSING, PROFILE, SOURCES, HealpixText, ProfileName, SourceName
from flows.place import check_place
from flows.production import perform_stages

__all__ = ["ingest", "produce", "train", "update"]


_OPTIONS: dict[str, Any] = {"flow_run_name": run_name, "version": __version__, "persist_result": False}


@flow(
    name="ingest",
    description="Downloads survey files, where that is asked for, and reads new ones into the database.",
    **_OPTIONS,
)
def ingest(
    profile: ProfileName = PROFILE,
    sources: list[SourceName] = SOURCES,
    only_missing: bool = ONLY_MISSING,
    healpix: HealpixText = HEALPIX,
) -> State[dict[str, Any]]:
    """Download sources and read survey files; see `flows.parameters` for what may be given."""
    check_place(load_settings())
    chosen = load_profile(profile)
    outcome = Outcome("ingest", chosen)
    outcome.downloads(fetch(profile, sources, only_missing, healpix))
    outcome.stages(perform_stages(chosen, _between(chosen, "mock", "ingest")))
    return outcome.state()


@flow(
    name="training",
    description="Selects the samples, trains the ensemble and studies it.",
    **_OPTIONS,
)
def train(profile: ProfileName = PROFILE) -> State[dict[str, Any]]:
    """Select samples, train the ensemble and study it; an ensemble of the same sample and settings is used again."""
    check_place(load_settings())
    chosen = load_profile(profile)
    outcome = Outcome("training", chosen)
    done = perform_stages(chosen, _between(chosen, "sample", "train"))
    study = stages.find_stage("study")
    # The stage itself comes after `predict`; what is found here belongs to the ensemble, and is known to it then.
    done["stages"]["study"] = study_ahead.with_options(name=study.title, task_run_name="study")(done["run_id"])
    outcome.stages(done)
    return outcome.state()


@flow(
    name="production",
    description="Predicts labels, computes flag_boundary, validates and publishes; what is done is not done again.",
    **_OPTIONS,
)
def produce(profile: ProfileName = PROFILE) -> State[dict[str, Any]]:
    """Go on from ingested surveys to a published catalogue.

    Where training has not been done for these surveys, it is done here: new spectra may change the training sample.
    """
    check_place(load_settings())
    chosen = load_profile(profile)
    outcome = Outcome("production", chosen)
    outcome.stages(perform_stages(chosen, _between(chosen, "sample", "publish")))
    return outcome.state()


@flow(
    name="nightly",
    description="New spectra into the catalogue: read, predicted, flagged, validated and published as a new version.",
    **_OPTIONS,
)
def update(
    profile: ProfileName = PROFILE, sources: list[SourceName] = SOURCES, only_missing: bool = ONLY_MISSING
) -> State[dict[str, Any]]:
    """Download sources, if any are named, then bring the published catalogue up to date with what has arrived."""
    check_place(load_settings())
    outcome = Outcome("nightly", load_profile(profile))
    outcome.downloads(fetch(profile, sources, only_missing))
    outcome.update(resolve_name("flows.update:update_catalogue")(profile))
    return outcome.state()


def fetch(profile: str, sources: list[str], only_missing: bool = False, healpix: str = "") -> list[dict[str, Any]]:
    """Download sources one after the other: an archive is asked by one of us at a time."""
    find_sources(profile, sources)  # all names are right, or nothing begins
    return [
        download.with_options(name="Download", task_run_name=f"download {name}")(profile, name, only_missing, healpix)
        for name in sources
    ]


@task(cache_policy=NO_CACHE, persist_result=False)
def study_ahead(run_id: int) -> dict[str, Any]:
    """Study the ensemble of a run before the run's own stage comes to it.

    Parameters
    ----------
    run_id : int

    Returns
    -------
    dict
        As `flows.production.perform_stage`.
    """
    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection, distributed(settings):
        run = ledger.find_run(connection, run_id)
        result = study_ensemble(connection, run, settings, listener())
    return {"run_id": run_id, "counts": result.counts, "notes": result.notes, "skipped": not result.counts["done"]}


def _between(profile: Profile, first: str, last: str) -> list[stages.Stage]:
    """Return the stages that `profile` needs from `first` to `last`, both included."""
    names = [stage.name for stage in stages.STAGES]
    wanted = names[names.index(first) : names.index(last) + 1]
    return [stage for stage in stages.plan(profile) if stage.name in wanted]
