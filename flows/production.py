"""The production flow: from survey files to a published catalogue, stage by stage.

Tasks take names and numbers and return counts, never frames. Caching is ours: the ledger knows what is
done, so that a flow that is run again, or after a kill, goes on where work is left.
"""

from collections.abc import Sequence
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from catalog import stages
from catalog.database import ledger
from catalog.database.connection import connect
from catalog.database.roles import PRODUCTION
from catalog.operations.logs import start_log
from catalog.profiles import Profile, load_profile
from catalog.progress import listener
from catalog.settings import load_settings
from flows.artifacts import tell_stage
from flows.distribution import distributed
from flows.naming import run_name

__all__ = ["build_catalogue", "perform_stage", "perform_stages"]


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
    start_log(settings)
    with connect(settings, role=PRODUCTION.name) as connection, distributed(settings):
        run = ledger.find_run(connection, run_id)
        run, result = stages.run_stage(connection, run, name, settings, listener())
    if not result.skipped:
        tell_stage(run.profile.name, run.run_id, name, result.counts, result.notes, settings)
    return {"run_id": run.run_id, "counts": result.counts, "notes": result.notes, "skipped": result.skipped}


@flow(name="build-catalogue", flow_run_name=run_name, persist_result=False)
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
    chosen = load_profile(profile)
    return perform_stages(chosen, stages.plan(chosen))


def perform_stages(chosen: Profile, wanted: Sequence[stages.Stage]) -> dict[str, Any]:
    """Do stages of the current run of a profile, in order, alone on that run.

    Parameters
    ----------
    chosen : Profile
    wanted : sequence of Stage
        Neighbours in the order of `catalog.stages.plan`.

    Returns
    -------
    dict
        ``run_id`` and, by stage, what `perform_stage` returned.

    Raises
    ------
    DatabaseError
        Another process is working on this run, or the connection that keeps others away was lost.
    SampleError
        A stage that comes before them has not been done.
    """
    with connect(load_settings(), role=PRODUCTION.name) as connection:
        run = ledger.open_run(connection, chosen)
        with ledger.exclusive(connection, run):
            run_id = run.run_id
            results: dict[str, dict[str, Any]] = {}
            for stage in wanted:
                ledger.hold(connection)
                done = perform_stage.with_options(name=stage.title, task_run_name=stage.name)(run_id, stage.name)
                if done["run_id"] != run_id:
                    # New survey files: the stages before belong to the successor as well.
                    run_id = done["run_id"]
                    for earlier in results:
                        results[earlier] = perform_stage(run_id, earlier)
                results[stage.name] = done
            ledger.hold(connection)
            if "publish" in results:
                ledger.finish_run(connection, ledger.find_run(connection, run_id))
    return {"run_id": run_id, "stages": results}
