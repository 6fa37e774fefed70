"""The same of every member of an ensemble, each kept in a file until all are there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from catalog.ensemble.backend import quiet
from catalog.ensemble.prediction.loading import combine
from catalog.ensemble.prediction.members import SavedMembers
from catalog.ensemble.registry.artefact import Manifest
from catalog.ensemble.registry.files import write_whole
from catalog.ensemble.studies.averaging import StudiedStars, label_changes, mean_gradients
from catalog.ensemble.studies.gradients import GRADIENT_BATCH, jacobian
from catalog.progress import Progress

__all__ = ["EnsembleAverages", "ensemble_averages"]


@dataclass(frozen=True, eq=False)
class EnsembleAverages:
    """Gradients of an ensemble, averaged over the stars of each region."""

    gradient: dict[str, np.ndarray]
    """For each input, mean over members: shape (n_regions, n_labels, n_features), see `mean_gradients`."""
    scatter: dict[str, np.ndarray]
    """Standard deviation over members, of the same shapes."""
    influence: dict[str, np.ndarray]
    """Root mean square, over the stars of each region, of the change of the ensemble's label when they get this input
    of the mean training star: shape (n_regions, n_labels), label units."""
    n_known: int
    """Members that were done before."""


@quiet()
def ensemble_averages(
    work: Path, manifest: Manifest, saved: SavedMembers, stars: StudiedStars, progress: Progress
) -> EnsembleAverages:
    """Differentiate every member, and average.

    Parameters
    ----------
    work : pathlib.Path
        Folder for what each member gave: those that are there are not computed again.
    manifest : Manifest
    saved : SavedMembers
    stars : StudiedStars
        At least one of them lies in a region.
    progress : Progress

    Returns
    -------
    EnsembleAverages

    Raises
    ------
    ArtefactError
        A file holds another network than the one that was recorded.
    ConfigurationError
        Keras runs on a backend that cannot differentiate.
    """
    files = [work / f"member_{record.member:02d}.npz" for record in manifest.members]
    missing = [i for i, file in enumerate(files) if not file.exists()]
    if missing:
        progress(0, 1, "loading the networks")
        runtime = saved.open_keras()
        differentiate = jacobian(runtime.network)
        n_batches = -(-len(stars.rows) // GRADIENT_BATCH)
        for i in missing:
            runtime.network.set_weights(runtime.members[i])
            found = mean_gradients(differentiate, stars, _tell(progress, i, len(files), n_batches))
            changes = label_changes(runtime.network, stars)
            arrays = {f"gradient/{name}": values for name, values in found.items()}
            arrays |= {f"change/{name}": values for name, values in changes.items()}
            write_whole(files[i], partial(_save, arrays))
    combined = {name: _combined(files, name) for name in (f"gradient/{name}" for name in stars.inputs)}
    within = stars.inside[:, stars.rows].astype(np.float64)
    influence = {}
    for name in stars.inputs:
        mean_change, _ = _combined(files, f"change/{name}")
        with np.errstate(invalid="ignore"):
            influence[name] = np.sqrt((within @ mean_change**2) / within.sum(axis=1)[:, None])
    return EnsembleAverages(
        {name: combined[f"gradient/{name}"][0] for name in stars.inputs},
        {name: combined[f"gradient/{name}"][1] for name in stars.inputs},
        influence,
        len(files) - len(missing),
    )


def _combined(files: list[Path], name: str) -> tuple[np.ndarray, np.ndarray]:
    values = []
    for file in files:
        with np.load(file, allow_pickle=False) as arrays:
            values.append(arrays[name])
    return combine(np.array(values))


def _save(arrays: dict[str, np.ndarray], path: Path) -> None:
    np.savez(path, allow_pickle=False, **arrays)


def _tell(progress: Progress, member: int, n_members: int, n_batches: int) -> Callable[[int], None]:
    def tell(batch: int) -> None:
        progress(member * n_batches + batch, n_members * n_batches, f"gradients of member {member + 1} of {n_members}")

    return tell
