"""An ensemble that was packed elsewhere, taken into the registry of this database."""

from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection

from catalog.ensemble.registry.artefact import CHECKSUMS, Manifest, verify_artefact
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.registry.keys import folder_name
from catalog.ensemble.registry.portable import extracted, require_known_features
from catalog.ensemble.registry.records import register_ensemble
from catalog.ensemble.training.work import discard_work, work_folder
from catalog.errors import ArtefactError
from catalog.settings import Settings

__all__ = ["Unpacked", "unpack_ensemble"]


@dataclass(frozen=True)
class Unpacked:
    """An ensemble that has arrived."""

    ensemble_id: int
    folder: Path
    manifest: Manifest
    was_there: bool
    """The same ensemble lay there already, whole."""


def unpack_ensemble(connection: Connection, settings: Settings, file: Path) -> Unpacked:
    """Put a packed ensemble into its place and register it: a run that needs this ensemble finds it there.

    Nothing is put into place, and nothing registered, before every byte has been verified.

    Parameters
    ----------
    connection : psycopg.Connection
        Its transaction is committed.
    settings : Settings
    file : pathlib.Path
        Written by `catalog.ensemble.registry.portable.pack_ensemble`.

    Returns
    -------
    Unpacked

    Raises
    ------
    NotFoundError
        There is no such file.
    ArtefactError
        The file is damaged or no packed ensemble; the ensemble is of another format version, on other features or with
        other labels; or there is an ensemble with this key and other contents.
    RvscatError
        The disk is full, or a process trains this very ensemble.
    """
    with extracted(file, settings.ensembles) as (temporary, manifest):
        require_known_features(manifest, file)
        sha256 = sha256_file(temporary / CHECKSUMS)
        folder = settings.ensembles / folder_name(manifest.key)
        # Whoever trains it meanwhile would find its place taken.
        with work_folder(settings.ensembles, manifest.training_key):
            _require_no_other(connection, manifest, sha256, file)
            was_there = _holds(folder, sha256, file)
            if not was_there:
                if folder.exists():
                    folder.rename(temporary.parent / "damaged")
                temporary.rename(folder)
            recorded = manifest.model_dump(mode="json", include={"training_key", "network", "training"})
            recorded |= {
                "uncertainty": manifest.uncertainty_settings.model_dump(mode="json"),
                "unpacked_from": file.name,
            }
            ensemble_id = register_ensemble(connection, None, folder, manifest, recorded)
            connection.commit()
            # What a training that was stopped had done of it is not needed any more.
            discard_work(settings.ensembles, manifest.training_key)
    return Unpacked(ensemble_id, folder, manifest, was_there)


def _require_no_other(connection: Connection, manifest: Manifest, sha256: str, file: Path) -> None:
    row = connection.execute(
        "SELECT ensemble_id, sha256 FROM production.ensemble WHERE key = %s AND status = 'complete'", (manifest.key,)
    ).fetchone()
    if row is not None and row[1] != sha256:
        raise _exists(f"ensemble {row[0]}", file)


def _holds(folder: Path, sha256: str, file: Path) -> bool:
    """Return whether `folder` holds the ensemble with those checksums, whole; refuse to replace another one."""
    if not folder.exists():
        return False
    try:
        verify_artefact(folder)
    except ArtefactError:
        return False
    if sha256_file(folder / CHECKSUMS) != sha256:
        raise _exists(str(folder), file)
    return True


def _exists(what: str, file: Path) -> ArtefactError:
    return ArtefactError(
        f"{what} was trained on the same stars with the same settings as the ensemble in {file}, but is another one: "
        "its networks differ.",
        "Labels that were made with the one that is here would lose what they came from: to have both, unpack into "
        "another data folder and database (RVSCAT_HOME, RVSCAT_DATABASE_URL).",
    )
