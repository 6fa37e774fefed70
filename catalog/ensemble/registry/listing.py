"""What ensembles there are: what each was trained on, how good it is, and what was made with it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.queries import load
from catalog.ensemble.registry.artefact import CHECKSUMS, Manifest, verify_artefact
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.registry.keys import folder_name
from catalog.errors import ArtefactError, NotFoundError
from catalog.metadata import LABELS
from catalog.profiles.model import NetworkSettings, TrainingSettings, UncertaintySettings
from catalog.settings import Settings

__all__ = [
    "KINDS",
    "ListedEnsemble",
    "find_ensemble",
    "list_ensembles",
    "read_manifest",
    "settings_of",
    "unregistered",
    "verify_listed",
]

KINDS = ("all_members", "out_of_fold")
"""Metrics on the training sample: by the mean over all members, and over those that had not seen the star."""

_PARTS: dict[str, type[NetworkSettings] | type[TrainingSettings] | type[UncertaintySettings]] = {
    "network": NetworkSettings,
    "training": TrainingSettings,
    "uncertainty": UncertaintySettings,
}


@dataclass(frozen=True)
class ListedEnsemble:
    """One ensemble of the registry."""

    ensemble_id: int
    key: str
    variant: str
    """Which of the paper's inputs it does without: ``full`` for none, see `NetworkSettings.variant`."""
    run_id: int | None
    """Run whose training sample it was trained on; None when no run here has it."""
    profile: str | None
    """Of that run."""
    unpacked_from: str | None
    """File that it came in, when it was not trained here."""
    release: str
    n_training: int
    n_members: int
    path: Path
    folder: str
    """State of its folder: ``whole``, ``in training``, ``missing``, ``altered``, or what is missing in it. Contents are
    not read: see `verify_listed`."""
    n_bytes: int
    """Size on disk."""
    status: str
    settings: dict[str, Any]
    """All of them by name, for instance ``training.seed``."""
    differing: dict[str, Any]
    """Those that are not the default."""
    metrics: dict[str, dict[str, dict[str, float | int | None]]]
    """`KINDS`, then label, then figure: see `catalog.ensemble.metrics.residual_metrics`."""
    runs: tuple[int, ...]
    """Runs whose labels are its own."""
    versions: tuple[int, ...]
    """Of the published catalogue."""
    current: int | None
    """The version among them that is the current one."""
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "path": str(self.path), "created_at": self.created_at.isoformat()}


def list_ensembles(connection: Connection, settings: Settings) -> list[ListedEnsemble]:
    """Return every ensemble of the registry, oldest first.

    Parameters
    ----------
    connection : psycopg.Connection
    settings : Settings

    Returns
    -------
    list of ListedEnsemble
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(load("ensemble/ensembles").statement).fetchall()
    return [_listed(row, settings) for row in rows]


def find_ensemble(ensembles: list[ListedEnsemble], name: str) -> ListedEnsemble:
    """Find an ensemble by its number or by the first digits of its key.

    Parameters
    ----------
    ensembles : list of ListedEnsemble
    name : str
        A number is an ``ensemble_id`` where there is such a one.

    Returns
    -------
    ListedEnsemble

    Raises
    ------
    NotFoundError
        No ensemble, or more than one, is meant.
    """
    by_number = [each for each in ensembles if name.isascii() and name.isdigit() and each.ensemble_id == int(name)]
    found = by_number or [each for each in ensembles if re.fullmatch("[0-9a-f]+", name) and each.key.startswith(name)]
    if not found:
        raise NotFoundError(
            f"There is no ensemble {name!r}.", "`rvscat ensembles` lists them: give a number or the beginning of a key."
        )
    if len(found) > 1:
        some = ", ".join(f"{each.ensemble_id} ({each.key[:12]})" for each in found[:5])
        raise NotFoundError(f"{len(found)} keys of ensembles begin with {name!r}: {some}.", "Give more digits.")
    return found[0]


def unregistered(ensembles: list[ListedEnsemble], settings: Settings) -> list[Path]:
    """Return folders of ensembles that the database does not know: a run that needs one uses it all the same."""
    known = {folder_name(each.key) for each in ensembles}
    folders = sorted(settings.ensembles.glob("*")) if settings.ensembles.is_dir() else []
    return [path for path in folders if re.fullmatch("[0-9a-f]{16}", path.name) and path.name not in known]


def read_manifest(ensemble: ListedEnsemble) -> Manifest:
    """Verify the folder of an ensemble against its checksums, and those against the registry.

    Raises
    ------
    ArtefactError
        It is not whole, or holds another ensemble than the one that was registered.
    """
    manifest = verify_artefact(ensemble.path)
    if ensemble.folder != "whole" or manifest.key != ensemble.key:
        raise ArtefactError(
            f"{ensemble.path / CHECKSUMS} is not the one that was recorded for ensemble {ensemble.ensemble_id}.",
            "Train the ensemble again: `rvscat train`.",
        )
    return manifest


def verify_listed(ensemble: ListedEnsemble) -> str | None:
    """Read every byte of an ensemble; return what is wrong with it, or None."""
    try:
        read_manifest(ensemble)
    except ArtefactError as error:
        return error.message
    return None


def settings_of(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an ensemble by name, defaults where nothing was recorded.

    Parameters
    ----------
    recorded : mapping
        As ``production.ensemble.settings`` has it.

    Returns
    -------
    dict of str to object
        For instance ``training.seed``, as JSON holds it.
    """
    found: dict[str, Any] = {}
    for part, model in _PARTS.items():
        values = {**_defaults(model), **recorded.get(part, {})}
        found |= {f"{part}.{name}": value for name, value in values.items()}
    return found


def _defaults(model: type[NetworkSettings] | type[TrainingSettings] | type[UncertaintySettings]) -> dict[str, Any]:
    values = {name: getattr(model(), name) for name in model.model_fields}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _listed(row: dict[str, Any], settings: Settings) -> ListedEnsemble:
    chosen, defaults = settings_of(row["settings"]), settings_of({})
    metrics = row["metrics"] or {}
    names = [label.name for label in LABELS]
    path, folder, n_bytes = _folder(row, settings)
    return ListedEnsemble(
        ensemble_id=row["ensemble_id"],
        key=row["key"],
        variant=_variant(chosen),
        run_id=row["run_id"],
        profile=row["profile"],
        unpacked_from=row["settings"].get("unpacked_from"),
        release=row["release"],
        n_training=row["n_training"],
        n_members=row["n_members"],
        path=path,
        folder=folder,
        n_bytes=n_bytes,
        status=row["status"],
        settings=chosen,
        differing={name: value for name, value in chosen.items() if name not in defaults or defaults[name] != value},
        metrics={kind: {name: metrics.get(kind, {}).get(name, {"n": 0}) for name in names} for kind in KINDS},
        runs=tuple(row["runs"]),
        versions=tuple(row["versions"]),
        current=row["current"],
        created_at=row["created_at"],
    )


def _variant(chosen: Mapping[str, Any]) -> str:
    scalars = {} if "scalars" not in chosen["network.inputs"] else {"scalars": chosen["network.scalars"]}
    return NetworkSettings.model_validate({"inputs": chosen["network.inputs"], **scalars}).variant


def _folder(row: dict[str, Any], settings: Settings) -> tuple[Path, str, int]:
    """Return where an ensemble lies, in what state, and how many bytes it takes."""
    path = settings.ensembles / folder_name(row["key"])
    if not path.is_dir():
        path = Path(row["path"])
    n_bytes = sum(file.stat().st_size for file in path.glob("*") if file.is_file())
    if row["status"] != "complete":
        return path, "in training", n_bytes
    if not path.is_dir():
        return path, "missing", 0
    file = path / CHECKSUMS
    if not file.is_file():
        return path, f"{CHECKSUMS} missing", n_bytes
    if sha256_file(file) != row["sha256"]:
        return path, "altered", n_bytes
    names = [line.partition("  ")[2] for line in file.read_text().splitlines()]
    lacking = [name for name in names if not (path / name).is_file()]
    return path, f"{', '.join(lacking)} missing" if lacking else "whole", n_bytes
