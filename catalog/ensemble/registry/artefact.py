"""A trained ensemble on disk: one folder that says what it is and proves that it is whole.

==================  ===========================================================================
``ensemble.json``   `Manifest`: settings, grid, labels, members, metrics, uncertainties, versions
``scalers.json``    limits of the min-max scalers
``member_XX.keras``  one network each; plain Keras reads it
``training.npz``    training stars: ids, labels, validation masks, every member's predictions
``checksums.txt``   SHA-256 of each of these, as ``sha256sum --check`` reads it
==================  ===========================================================================
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.ensemble.registry.files import sha256_file
from catalog.errors import ArtefactError
from catalog.features import Scalers
from catalog.metadata import LABELS
from catalog.profiles.model import NetworkSettings, TrainingSettings, UncertaintySettings
from catalog.releases import PixelGrid

__all__ = [
    "CHECKSUMS",
    "FORMAT_VERSION",
    "Manifest",
    "MemberRecord",
    "network_file",
    "read_scalers",
    "read_training",
    "verify_artefact",
    "write_artefact",
]

FORMAT_VERSION = 1

CHECKSUMS = "checksums.txt"
_MANIFEST = "ensemble.json"
_SCALERS = "scalers.json"
_TRAINING = "training.npz"
_AGAIN = "Train the ensemble again: `rvscat train`."


class MemberRecord(BaseModel):
    """How one network came about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    member: int
    split: int
    initialisation: int
    seed: int
    attempt: int
    """How often it had diverged before."""
    epochs: int
    best_epoch: int
    """Counted from 1; its weights were kept."""
    val_loss: float
    """Of the best epoch, L2 penalty included."""
    val_mse: float
    """Of the best epoch, on the scaled labels."""
    history: dict[str, list[float]]
    weights_sha256: str
    file_sha256: str
    predictions_sha256: str
    wall_s: float


class Manifest(BaseModel):
    """What an ensemble is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    key: str
    """SHA-256 of all that can change its labels and uncertainties."""
    training_key: str
    """SHA-256 of all that can change its weights."""
    release: str
    features_version: int
    labels: tuple[str, ...]
    grid: PixelGrid
    scalers_fitted_on: str
    network: NetworkSettings
    training: TrainingSettings
    uncertainty_settings: UncertaintySettings
    n_training: int
    members: tuple[MemberRecord, ...]
    metrics: dict[str, Any]
    uncertainty: dict[str, Any]
    notes: tuple[str, ...]
    versions: dict[str, str]
    wall_s: float


def network_file(folder: Path, member: int) -> Path:
    """Return the file of a member's network."""
    return folder / f"member_{member:02d}.keras"


def write_artefact(
    folder: Path, manifest: Manifest, scalers: Scalers, members: Path, training: Mapping[str, np.ndarray]
) -> None:
    """Write the folder of an ensemble, whole or not at all.

    Parameters
    ----------
    folder : pathlib.Path
        Must not exist.
    manifest : Manifest
    scalers : Scalers
    members : pathlib.Path
        Where the members' networks lie; they are copied.
    training : mapping of str to numpy.ndarray
        What ``training.npz`` holds.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for record in manifest.members:
        shutil.copyfile(network_file(members, record.member), network_file(partial, record.member))
    (partial / _MANIFEST).write_text(manifest.model_dump_json(indent=1))
    (partial / _SCALERS).write_text(json.dumps(scalers.to_dict(), indent=1))
    np.savez(partial / _TRAINING, allow_pickle=False, **training)
    lines = [f"{sha256_file(file)}  {file.name}\n" for file in sorted(partial.iterdir())]
    (partial / CHECKSUMS).write_text("".join(lines))
    partial.replace(folder)


def verify_artefact(path: Path, grid: PixelGrid | None = None) -> Manifest:
    """Check that a saved ensemble is whole and fits, and return its manifest.

    Parameters
    ----------
    path : pathlib.Path
    grid : PixelGrid, optional
        Grid of the spectra that it is to label.

    Returns
    -------
    Manifest

    Raises
    ------
    ArtefactError
        A file is missing or altered, or the ensemble is of another format version, other labels or another grid.
    """
    listed = _checksums(path)
    for name, expected in listed.items():
        file = path / name
        if not file.is_file():
            raise ArtefactError(f"The ensemble {path} is incomplete: {name} is missing.", _AGAIN)
        if sha256_file(file) != expected:
            raise ArtefactError(f"{file} has been altered: its SHA-256 is not the one in {CHECKSUMS}.", _AGAIN)
    manifest = _read_manifest(path)
    needed = {_MANIFEST, _SCALERS, _TRAINING, *(network_file(path, record.member).name for record in manifest.members)}
    if needed - set(listed):
        raise ArtefactError(f"{path / CHECKSUMS} does not list {', '.join(sorted(needed - set(listed)))}.", _AGAIN)
    labels = tuple(label.name for label in LABELS)
    if manifest.labels != labels:
        raise ArtefactError(
            f"The ensemble {path} gives the labels {', '.join(manifest.labels)}; {', '.join(labels)} are expected.",
            _AGAIN,
        )
    if grid is not None and grid.axis != manifest.grid.axis:
        raise ArtefactError(
            f"The ensemble {path} was trained on {manifest.grid}; the spectra have {grid}.",
            "Use an ensemble that was trained on this release, or bring the spectra onto its grid: `rvscat resample`.",
        )
    return manifest


def read_scalers(path: Path) -> Scalers:
    """Return the scalers of a saved ensemble."""
    return Scalers.from_dict(json.loads((path / _SCALERS).read_text()))


def read_training(path: Path) -> dict[str, np.ndarray]:
    """Return what a saved ensemble keeps of its training stars.

    Returns
    -------
    dict of str to numpy.ndarray
        ``source_id`` (n,); ``labels`` (n, 5) of APOGEE; ``validation`` (splits, n) bool; ``predictions``
        (members, n, 5) float32, physical units.
    """
    with np.load(path / _TRAINING, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _checksums(path: Path) -> dict[str, str]:
    file = path / CHECKSUMS
    if not file.is_file():
        raise ArtefactError(f"There is no whole ensemble at {path}: {CHECKSUMS} is missing.", _AGAIN)
    listed = {}
    for line in file.read_text(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        # A name with a folder in it would reach out of the artefact.
        if len(digest) != 64 or not name or Path(name).name != name:
            raise ArtefactError(f"{file} holds a line that is no checksum: {line[:80]!r}.", _AGAIN)
        listed[name] = digest
    if _MANIFEST not in listed:
        raise ArtefactError(f"{file} does not list {_MANIFEST}.", _AGAIN)
    return listed


def _read_manifest(path: Path) -> Manifest:
    text = (path / _MANIFEST).read_text()
    try:
        version = json.loads(text).get("format_version")
        if version != FORMAT_VERSION:
            raise ArtefactError(
                f"The ensemble {path} has format version {version}; this rvscat reads version {FORMAT_VERSION}.", _AGAIN
            )
        return Manifest.model_validate_json(text)
    except (ValidationError, ValueError, AttributeError) as error:
        if isinstance(error, ArtefactError):
            raise
        raise ArtefactError(f"{path / _MANIFEST} cannot be read: {error}", _AGAIN) from error
