"""The stages of a catalogue, in order, and the one way to do each of them.

The command line and the Prefect flows both come through `run_stage`; neither holds logic of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name

from psycopg import Connection

from catalog.database import ledger
from catalog.database.acting import acting
from catalog.database.ledger import Run, StageResult
from catalog.database.roles import INGEST, PRODUCTION
from catalog.database.told import logged, recorded
from catalog.database.trouble import told_of_trouble
from catalog.errors import NotFoundError, SampleError
from catalog.profiles import Profile
from catalog.progress import Listener, silent
from catalog.settings import Settings

__all__ = ["STAGES", "Stage", "find_stage", "plan", "run_stage", "survey_state"]


@dataclass(frozen=True)
class Stage:
    """One step on the way from survey files to a published catalogue."""

    name: str
    title: str
    target: str
    """``module:function``; resolved when it is needed, since some modules take seconds to import."""
    seconds: float
    """A first guess of its duration, for the estimate of what is left."""
    role: str = PRODUCTION.name
    """Role of the database that it acts as, in this process and in others."""
    survey: bool = False
    """True for stages that work on survey files: they look by themselves whether anything is new."""
    aside: str | None = None
    """For a stage on whose results no label depends, so that the stages after it do not ask for it: the part of the
    profile that decides on its work. Under other settings it is done again, and the report with it."""
    outdated: str | None = None
    """``module:function`` that tells, of connection, run and settings, whether the stage was done with settings that
    are not in the profile and have changed: it is done again then, and what comes after it stays."""
    extension: str | None = None
    """``module:function`` that does the stage for a run that extends another; None for stages that such a run lacks."""


STAGES: tuple[Stage, ...] = (
    Stage("mock", "Synthetic surveys", "catalog.mock.stage:write_mock_sky", 30, INGEST.name, survey=True),
    Stage(
        "ingest",
        "Ingest survey files",
        "catalog.surveys.ingest:ingest_surveys",
        30,
        INGEST.name,
        survey=True,
        extension="catalog.surveys.ingest:ingest_surveys",
    ),
    Stage(
        "sample",
        "Crossmatch and quality cuts",
        "catalog.sample.stage:select_samples",
        2,
        extension="catalog.sample.extension:extend_samples",
    ),
    Stage("train", "Train the ensemble", "catalog.ensemble.stage:train_ensemble", 240),
    Stage(
        "predict",
        "Labels and uncertainties",
        "catalog.ensemble.stage:predict_labels",
        30,
        extension="catalog.ensemble.prediction.extension:extend_labels",
    ),
    Stage("study", "Sensitivity and robustness", "catalog.ensemble.studies.stage:study_ensemble", 20, aside="studies"),
    Stage(
        "flag",
        "Boundary flag",
        "catalog.boundary.stage:flag_boundary",
        60,
        extension="catalog.boundary.extension:extend_flags",
    ),
    Stage(
        "validate",
        "Validation",
        "catalog.validation.stage:validate_catalogue",
        30,
        outdated="catalog.validation.stage:thresholds_changed",
        extension="catalog.validation.stage:validate_catalogue",
    ),
    Stage(
        "publish",
        "Publication",
        "catalog.publish.stage:publish_catalogue",
        10,
        extension="catalog.publish.stage:publish_catalogue",
    ),
)


def plan(profile: Profile, extension: bool = False) -> list[Stage]:
    """Return the stages that `profile` needs, in order: of a full run, or of one that extends another."""
    if extension:
        return [stage for stage in STAGES if stage.extension is not None]
    return [stage for stage in STAGES if stage.name != "mock" or profile.mock is not None]


def find_stage(name: str) -> Stage:
    """Return the stage of that name."""
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise NotFoundError(f"There is no stage {name!r}.", f"Stages: {', '.join(stage.name for stage in STAGES)}.")


def run_stage(
    connection: Connection, run: Run, name: str, settings: Settings, listener: Listener = silent
) -> tuple[Run, StageResult]:
    """Do one stage of `run`, unless it is done, and record it in the ledger.

    Parameters
    ----------
    connection : psycopg.Connection
        Acts as the role of the stage meanwhile, and is committed.
    run : Run
    name : str
        One of `STAGES`.
    settings : Settings
    listener : Listener
        Told that the stage begins, how far it is, and what came out.

    Returns
    -------
    Run
        The same run, or its successor when new survey files have made it out of date.
    StageResult

    Raises
    ------
    SampleError
        An earlier stage has not been done yet; or survey files have arrived since a run that extends another.
    NotFoundError
        There is no such stage, or such a run has none.
    DatabaseError
        The database server is gone, its disk or memory is full, or the account may not act as the stage's role.
    RvscatError
        The disk or the memory of this machine is full; and whatever the stage itself raises.
    """
    stage = find_stage(name)
    listener.begin(name)
    with logged(run.run_id, name) as told, told_of_trouble(), acting(connection, stage.role):
        run, result = _run_stage(connection, run, stage, settings, listener)
        told |= {"counts": result.counts, "skipped": result.skipped}
    listener.end(name, result.counts, result.notes, result.skipped)
    return run, result


def _run_stage(
    connection: Connection, run: Run, stage: Stage, settings: Settings, listener: Listener
) -> tuple[Run, StageResult]:
    name = stage.name
    extends = run.base_run_id is not None
    target = stage.extension if extends else stage.target
    if target is None:
        raise NotFoundError(
            f"Run {run.run_id} extends run {run.base_run_id}: it uses its ensemble and has no stage {name!r}.",
            f"`rvscat run --profile {run.profile.name}` makes a full run.",
        )

    def work() -> StageResult:
        function = resolve_name(target)
        with recorded(settings, run.run_id, name, listener, stage.role) as told:
            result = function(connection, run, settings, told)
        connection.commit()
        assert isinstance(result, StageResult)
        return result

    if stage.survey:
        try:
            return run, ledger.perform_always(connection, run, name, work, lambda: survey_state(connection, run, name))
        except ledger.StaleStageError:
            if extends:
                raise SampleError(
                    f"Survey files have arrived since run {run.run_id} was begun; they are in the database now.",
                    f"`rvscat update --profile {run.profile.name}` adds their stars, in a run of its own.",
                ) from None
            successor = ledger.supersede(connection, run)
            return _run_stage(connection, successor, stage, settings, listener)
    before = _key_before(connection, run, stage)
    if stage.outdated is not None and resolve_name(stage.outdated)(connection, run, settings):
        _forget(connection, run, name)
    if stage.aside is None:
        return run, ledger.perform(connection, run, name, ledger.fingerprint(name, before), work)
    return run, _perform_aside(connection, run, stage, before, work)


def _perform_aside(
    connection: Connection, run: Run, stage: Stage, before: str, work: Callable[[], StageResult]
) -> StageResult:
    assert stage.aside is not None
    key = ledger.fingerprint(stage.name, before, getattr(run.profile, stage.aside).model_dump(mode="json"))
    if ledger.stage_key(connection, run, stage.name) not in (None, key):
        _forget(connection, run, stage.name)
    result = ledger.perform(connection, run, stage.name, key, work)
    if not result.skipped:
        # The report shows what came out; its key, and so everything after it, stays as it was.
        _forget(connection, run, "validate")
    return result


def _forget(connection: Connection, run: Run, name: str) -> None:
    """Have a stage done again that is complete."""
    connection.execute(
        "DELETE FROM production.stage WHERE run_id = %s AND name = %s AND status = 'complete'", (run.run_id, name)
    )
    connection.commit()


def _key_before(connection: Connection, run: Run, stage: Stage) -> str:
    """Return the key of the stage before `stage`, which stands for everything before it."""
    every = plan(run.profile, run.base_run_id is not None)
    stages = [other for other in every if other.aside is None or other is stage]
    previous = stages[stages.index(stage) - 1]
    key = ledger.stage_key(connection, run, previous.name)
    if key is None:
        raise SampleError(
            f"Stage {stage.name!r} of run {run.run_id} needs stage {previous.name!r}, which is not done.",
            f"Run `rvscat {previous.name} --profile {run.profile.name}` first, or `rvscat run`."
            if run.base_run_id is None
            else f"`rvscat update --profile {run.profile.name}` does them in order.",
        )
    return key


def survey_state(connection: Connection, run: Run, name: str) -> str:
    """Fingerprint what a survey stage left behind: for ingest, the checksums of all files of the release."""
    if name != "ingest":
        return ledger.fingerprint(name)
    rows = connection.execute(
        "SELECT product, name, sha256 FROM production.ingest_file WHERE release = %s AND status = 'complete' "
        "ORDER BY product, name",
        (run.release,),
    ).fetchall()
    return ledger.fingerprint(rows)
