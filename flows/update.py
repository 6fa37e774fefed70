"""The update flow: spectra that have arrived since the last catalogue, added to it as a new version.

As in `flows.production`, tasks take names and numbers, and the ledger knows what is done.
"""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from catalog import stages
from catalog.database import extensions, ledger
from catalog.database.connection import connect
from catalog.database.roles import PRODUCTION
from catalog.profiles import load_profile
from catalog.progress import listener
from catalog.settings import load_settings
from catalog.update import prepare_update, without_new_stars
from flows.distribution import distributed
from flows.naming import run_name
from flows.production import perform_stage

__all__ = ["find_new_spectra", "update_catalogue"]


@task(name="Find new spectra", cache_policy=NO_CACHE, persist_result=False)
def find_new_spectra(profile: str) -> dict[str, Any]:
    """Ingest new survey files, and begin a run if they hold spectra that the last one does not know.

    Parameters
    ----------
    profile : str
        As of `update_catalogue`.

    Returns
    -------
    dict
        ``base_run_id``; ``run_id``, None when nothing is new; ``counts`` of the files and ``notes``.
    """
    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection, distributed(settings):
        found = prepare_update(connection, load_profile(profile), settings, listener())
    return {
        "base_run_id": found.base.run_id,
        "run_id": found.run.run_id if found.run else None,
        "counts": found.ingested.counts,
        "notes": found.notes,
    }


@flow(name="update-catalogue", flow_run_name=run_name, persist_result=False)
def update_catalogue(profile: str = "demo") -> dict[str, Any]:
    """Add the spectra that have arrived since the last published run of a profile, as a new version.

    Labels, uncertainties and flags of all other stars stay as they are. Nothing is done when nothing is new; an update
    that was stopped goes on where it was.

    Parameters
    ----------
    profile : str
        Name of a shipped profile, or path of a profile file.

    Returns
    -------
    dict
        ``base_run_id``; ``run_id``, None when nothing was added; ``stages``: by stage, what
        `flows.production.perform_stage` returned; and ``notes``.
    """
    with connect(load_settings(), role=PRODUCTION.name) as connection:
        base = extensions.find_base(connection, load_profile(profile))
        with ledger.exclusive(connection, base):
            found = find_new_spectra(profile)
            results: dict[str, dict[str, Any]] = {}
            outcome = {
                "base_run_id": found["base_run_id"],
                "run_id": found["run_id"],
                "stages": results,
                "notes": found["notes"],
            }
            if found["run_id"] is None:
                return outcome
            run = ledger.find_run(connection, found["run_id"])
            connection.commit()
            for stage in stages.plan(run.profile, extension=True)[1:]:
                ledger.hold(connection)
                done = perform_stage.with_options(name=stage.title, task_run_name=stage.name)(run.run_id, stage.name)
                results[stage.name] = done
                if stage.name == "sample" and without_new_stars(connection, run, done["counts"]):
                    rejected = done["counts"]["rejected"]
                    words = (
                        f"{rejected} new {'spectrum' if rejected == 1 else 'spectra'}, rejected by the quality cuts."
                    )
                    return outcome | {"run_id": None, "notes": [words, *done["notes"][1:]]}
            ledger.hold(connection)
            ledger.finish_run(connection, run)
    return outcome
