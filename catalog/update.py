"""An update: the run that adds new spectra to a published one, and whether there is one to make.

What is known keeps its labels and flags; the ensemble, its uncertainties, the limits and the maps stay as they were.
Whatever would make a mixture is refused, before anything is written.
"""

from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from psycopg import Connection

from catalog import stages
from catalog.database import extensions, ledger
from catalog.database.acting import acting
from catalog.database.ledger import Run, StageResult
from catalog.database.trouble import told_of_trouble
from catalog.database.usage import Usage
from catalog.profiles import Profile
from catalog.progress import Listener, silent
from catalog.settings import Settings

__all__ = ["Prepared", "prepare_update", "without_new_stars"]

# Modules that take seconds to import are imported when they are needed.
_ENSEMBLE = "catalog.ensemble.prediction.extension:ensemble_of"
_MAPS = "catalog.boundary.extension:reference_of"
_SAMPLE = "catalog.sample.extension"


@dataclass(frozen=True)
class Prepared:
    """What there is to do."""

    base: Run
    run: Run | None
    """The run that extends `base`; None when nothing is new."""
    ingested: StageResult
    notes: list[str] = field(default_factory=list)
    """Sentences that a person should read."""


def prepare_update(
    connection: Connection, profile: Profile, settings: Settings, listener: Listener = silent
) -> Prepared:
    """Ingest new survey files and begin the run that adds their spectra, or find the one that was begun.

    The base, and every other run, stays as it is. Call it inside `catalog.database.ledger.exclusive` of the base.

    Parameters
    ----------
    connection : psycopg.Connection
        Acts as the stage ``ingest`` while files are read, and is committed.
    profile : Profile
    settings : Settings
    listener : Listener
        Hears of the stage ``ingest``.

    Returns
    -------
    Prepared

    Raises
    ------
    NotFoundError
        Nothing of this profile has been published.
    ConfigurationError
        It was published with other settings or by another version.
    ArtefactError
        Its ensemble or its maps are gone or have changed.
    SampleError
        Survey rows that the catalogue shows have changed below labels that stay.
    """
    base = extensions.find_base(connection, profile)
    resolve_name(_ENSEMBLE)(connection, base, settings)
    resolve_name(_MAPS)(connection, base)
    connection.commit()
    listener.begin("ingest")
    ingest = stages.find_stage("ingest")
    with told_of_trouble(), Usage() as usage, acting(connection, ingest.role):
        ingested = resolve_name(ingest.target)(connection, base, settings, listener)
        connection.commit()
    state = stages.survey_state(connection, base, "ingest")
    run = extensions.find_extension(connection, base)
    known = run is not None and ledger.stage_key(connection, run, "ingest") == state
    listener.end("ingest", ingested.counts, ingested.notes, known)
    if run is not None and known:
        ledger.keep_profile(connection, run.run_id, profile)
        connection.commit()
        return Prepared(base, extensions.find_extension(connection, base), ingested)
    n_new, n_completed = resolve_name(f"{_SAMPLE}:count_new")(connection, base)
    changed = resolve_name(f"{_SAMPLE}:count_changed")(connection, base.run_id)
    if not n_new and not n_completed:
        connection.commit()
        return Prepared(base, None, ingested, resolve_name(f"{_SAMPLE}:changed_words")(changed, profile.name))
    resolve_name(f"{_SAMPLE}:refuse_mixture")(changed, base)
    run = extensions.begin_extension(connection, base, profile)
    extensions.record_done(connection, run, "ingest", state, ingested, usage)
    connection.commit()
    return Prepared(base, run, ingested)


def without_new_stars(connection: Connection, run: Run, selected: dict[str, Any]) -> bool:
    """Remove `run` when all its new stars were rejected: its catalogue would be that of its base.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Has selected its samples.
    selected : dict
        Counts of its stage ``sample``.

    Returns
    -------
    bool
        Whether it was removed.
    """
    if selected["added"]:
        return False
    extensions.discard_extension(connection, run)
    return True
