"""Frozen maps: saved with all that is needed to place new spectra in them, and read back only when nothing has changed.

One folder holds

``manifest.json``        release, pixel grid, settings, thresholds, and the SHA-256 of every other file
``mean.npy``             mean spectrum
``vectors.npy``          principal components
``explained.npy``        their fractions of the variance
``points.npy``           every star of the maps as principal components
``centres.npy`` …        the neighbour index over them: lists of stars, see `catalog.boundary.neighbours`
``source_id.npy``        the stars
``training.npy``         which of them are training stars
``own.npy``              distances of training stars to their most similar fellow, for the companion of the t-SNE digit
``positions_<p>.npy``    their places in the map of perplexity p

Plain arrays only: reading them can run no code.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from catalog.boundary.components import Basis
from catalog.boundary.neighbours import NeighbourIndex
from catalog.boundary.placement import training_distances
from catalog.errors import ArtefactError
from catalog.features import FEATURES_VERSION
from catalog.releases import Release
from catalog.surveys.file_ledger import sha256_of

__all__ = ["FORMAT", "FrozenMap", "Reference", "read_reference", "write_reference"]

FORMAT = 1
"""Raised whenever the files of a reference change their meaning."""

_REMEDY = "Make reference maps anew: `rvscat flag` of a run without likeness.reference."


@dataclass(frozen=True)
class FrozenMap:
    """One t-SNE map that new stars are placed in."""

    perplexity: int
    positions: np.ndarray
    """Shape (n_stars, 2), float32."""
    threshold: float
    """Largest distance of a star of the map that is like."""
    placed_threshold: float
    """Largest distance of a placed star that is like."""


@dataclass(frozen=True)
class Reference:
    """Frozen maps and what leads a spectrum into them."""

    release: str
    """Whose grid the spectra have."""
    data_release: str
    """Key of the survey rows that the stars come from."""
    basis: Basis
    index: NeighbourIndex
    source_id: np.ndarray
    """Shape (n_stars,), int64, ascending."""
    training: np.ndarray
    """Shape (n_stars,), bool."""
    n_companion: int
    """Leading components that distances to training stars are made of."""
    own: np.ndarray
    """These distances among the training stars, shape (n_training,), float32, ascending."""
    farthest: float
    """Largest distance of a star to its nearest neighbour: beyond, a spectrum resembles none."""
    maps: tuple[FrozenMap, ...]
    settings: Mapping[str, Any]
    """All that made the maps."""
    key: str = ""
    """SHA-256 of manifest and files; empty before it is written."""

    def own_distances(self, frozen: FrozenMap) -> np.ndarray:
        """Return the distance of each star of a map to its nearest (other) training star, shape (n_stars,)."""
        found = self._own_distances.get(frozen.perplexity)
        if found is None:
            found = self._own_distances[frozen.perplexity] = training_distances(frozen.positions, self.training)
        return found

    @cached_property
    def _own_distances(self) -> dict[int, np.ndarray]:
        return {}


def write_reference(folder: Path, reference: Reference, release: Release) -> tuple[Path, str]:
    """Write `reference` into a folder of its own below `folder`.

    Parameters
    ----------
    folder : Path
    reference : Reference
    release : Release
        Describes the pixel grid.

    Returns
    -------
    Path
        The folder, named by the first letters of the key.
    str
        The key: equal references have equal keys.
    """
    arrays = {
        "mean": reference.basis.mean,
        "vectors": reference.basis.vectors,
        "explained": reference.basis.explained,
        "points": reference.index.points,
        "centres": reference.index.centres,
        "order": reference.index.order,
        "ends": reference.index.ends,
        "source_id": reference.source_id,
        "training": reference.training,
        "own": reference.own,
        **{f"positions_{each.perplexity}": each.positions for each in reference.maps},
    }
    partial = folder / ".reference.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, values in arrays.items():
        np.save(partial / f"{name}.npy", np.ascontiguousarray(values), allow_pickle=False)
    manifest = {
        "format": FORMAT,
        "features_version": FEATURES_VERSION,
        "release": reference.release,
        "data_release": reference.data_release,
        "grid": list(release.rvs.axis),
        "grid_words": str(release.rvs),
        "n_stars": len(reference.source_id),
        "n_training": int(reference.training.sum()),
        "n_probed": reference.index.n_probed,
        "recall": reference.index.recall,
        "n_companion": reference.n_companion,
        "farthest": reference.farthest,
        "maps": [
            {
                "perplexity": each.perplexity,
                "threshold": each.threshold,
                "placed_threshold": each.placed_threshold,
            }
            for each in reference.maps
        ],
        "settings": dict(reference.settings),
        "files": {f"{name}.npy": sha256_of(partial / f"{name}.npy") for name in sorted(arrays)},
    }
    text = json.dumps(manifest, indent=1, sort_keys=True)
    (partial / "manifest.json").write_text(text, encoding="utf-8")
    key = hashlib.sha256(text.encode()).hexdigest()
    target = folder / key[:16]
    # The same key is the same content: a folder that is there may have been damaged, this one is whole.
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target, key


def read_reference(folder: Path, release: Release, key: str | None = None) -> Reference:
    """Read a reference, checking that it is whole and fits.

    Parameters
    ----------
    folder : Path
        Of one reference.
    release : Release
        Of the spectra that are to be placed.
    key : str, optional
        Key that the reference was recorded under.

    Returns
    -------
    Reference

    Raises
    ------
    ArtefactError
        A file is missing or damaged, or the maps were made by another format or version of the features, for another
        release or pixel grid.
    """
    try:
        text = (folder / "manifest.json").read_text(encoding="utf-8")
        manifest = json.loads(text)
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{folder} holds no reference maps: {error}.", _REMEDY) from error
    found = hashlib.sha256(text.encode()).hexdigest()
    if key is not None and found != key:
        raise ArtefactError(f"{folder / 'manifest.json'} is not the one that was recorded: it was changed.", _REMEDY)
    _check_fit(folder, manifest, release)
    arrays: dict[str, np.ndarray] = {}
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise ArtefactError(f"{path} is missing: the reference maps are not whole.", _REMEDY)
        if sha256_of(path) != expected:
            raise ArtefactError(f"{path} is damaged: its SHA-256 is not the recorded one.", _REMEDY)
        arrays[path.stem] = np.load(path, allow_pickle=False)
    index = NeighbourIndex(
        arrays["points"],
        arrays["centres"],
        arrays["order"],
        arrays["ends"],
        manifest["n_probed"],
        manifest["recall"],
    )
    return Reference(
        manifest["release"],
        manifest["data_release"],
        Basis(arrays["mean"], arrays["vectors"], arrays["explained"]),
        index,
        arrays["source_id"],
        arrays["training"],
        manifest["n_companion"],
        arrays["own"],
        manifest["farthest"],
        tuple(
            FrozenMap(
                each["perplexity"],
                arrays[f"positions_{each['perplexity']}"],
                each["threshold"],
                each["placed_threshold"],
            )
            for each in manifest["maps"]
        ),
        manifest["settings"],
        found,
    )


def _check_fit(folder: Path, manifest: Mapping[str, Any], release: Release) -> None:
    if manifest.get("format") != FORMAT:
        raise ArtefactError(
            f"The reference maps in {folder} have format {manifest.get('format')}; this version reads {FORMAT}.",
            _REMEDY,
        )
    if manifest["features_version"] != FEATURES_VERSION:
        raise ArtefactError(
            f"The reference maps in {folder} were made from spectra repaired by version {manifest['features_version']}"
            f" of the features; this is version {FEATURES_VERSION}.",
            _REMEDY,
        )
    if tuple(manifest["grid"]) != release.rvs.axis:
        raise ArtefactError(
            f"The reference maps in {folder} were made on the pixel grid of release {manifest['release']}, "
            f"{manifest['grid_words']}; the spectra of release {release.name} have {release.rvs}.",
            "Resample the spectra (`rvscat resample`), or make reference maps of this release.",
        )
