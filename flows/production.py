"""The production flow: from survey files to a published catalogue, stage by stage.

Tasks take names and numbers and return counts, never frames. Caching is ours: the ledger knows what is
done, so that a flow that is run again, or after a kill, goes on where work is left.
"""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from catalog import stages
from catalog.database import ledger
from catalog.database.connection import connect
from catalog.profiles import load_profile
from catalog.progress import listener
from catalog.settings import load_settings
from flows.distribution import distributed

__all__ = ["build_catalogue", "perform_stage"]


@task(cache_policy=NO_CACHE, persist_result=False)
def perform_stage(run_id: int, name: str) -> dict[str, Any]:
    """Do one stage of a run.

    Parameters
    ----------
    run_id : int
    name : str
        Name of the stage, see `catalog.stages.STAGES`.

    Returns
    -------
    dict
        ``run_id`` (another one when the run was superseded), ``counts``, ``notes`` and ``skipped``.
    """
    settings = load_settings()
    with connect(settings) as connection, distributed(settings):
        run = ledger.find_run(connection, run_id)
        run, result = stages.run_stage(connection, run, name, settings, listener())
    return {"run_id": run.run_id, "counts": result.counts, "notes": result.notes, "skipped": result.skipped}


@flow(name="build-catalogue", persist_result=False)
def build_catalogue(profile: str = "demo") -> dict[str, Any]:
    """Build a catalogue from beginning to end; stages that are done are not done again.

    Parameters
    ----------
    profile : str
        Name of a shipped profile, or path of a profile file.

    Returns
    -------
    dict
        ``run_id`` and, by stage, what `perform_stage` returned.
    """
    settings = load_settings()
    chosen = load_profile(profile)
    with connect(settings) as connection:
        run = ledger.open_run(connection, chosen)
        with ledger.exclusive(connection, run):
            run_id = run.run_id
            results: dict[str, dict[str, Any]] = {}
            for stage in stages.plan(chosen):
                done = perform_stage.with_options(name=stage.title, task_run_name=stage.name)(run_id, stage.name)
                if done["run_id"] != run_id:
                    # New survey files: the stages before belong to the successor as well.
                    run_id = done["run_id"]
                    for earlier in results:
                        results[earlier] = perform_stage(run_id, earlier)
                results[stage.name] = done
            ledger.finish_run(connection, ledger.find_run(connection, run_id))
    return {"run_id": run_id, "stages": results}
