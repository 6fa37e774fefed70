"""Two ensembles side by side: settings, metrics, and labels of the training stars that both know."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from catalog.ensemble.metrics import out_of_fold
from catalog.ensemble.registry.artefact import Manifest, read_training
from catalog.ensemble.registry.listing import KINDS, ListedEnsemble, read_manifest
from catalog.metadata import LABELS

__all__ = ["CommonStars", "Comparison", "KnownStars", "compare_ensembles", "read_known_stars"]

FIGURES = ("dispersion", "robust_dispersion", "bias", "coverage_1", "coverage_2")


@dataclass(frozen=True, eq=False)
class KnownStars:
    """Training stars of an ensemble, as the members see them that were not trained on them."""

    source_id: np.ndarray
    """Shape (n,), ascending."""
    labels: np.ndarray
    """APOGEE's, shape (n, n_labels)."""
    predicted: np.ndarray
    """Same shape; NaN for stars that every member has seen."""


@dataclass(frozen=True)
class CommonStars:
    """Training stars that both ensembles have, with out-of-fold labels of both."""

    n: int
    """In both training samples."""
    n_compared: int
    """Of them, those that some member of either ensemble has not seen, with the same APOGEE labels."""
    dispersion: dict[str, tuple[float, float]]
    """Of CNN - APOGEE for each label; of the first and the second ensemble. Empty without stars."""
    bias: dict[str, tuple[float, float]]
    difference: dict[str, tuple[float, float]]
    """Mean and standard deviation of second - first."""


@dataclass(frozen=True)
class Comparison:
    """Two ensembles side by side."""

    first: ListedEnsemble
    second: ListedEnsemble
    settings: dict[str, tuple[Any, Any]]
    """Those that differ."""
    metrics: dict[str, dict[str, dict[str, tuple[float | None, float | None]]]]
    """`KINDS`, then label, then figure; each on the ensemble's own training sample."""
    common: CommonStars

    def ratio(self, kind: str, label: str) -> float | None:
        """Return the dispersion of the second ensemble relative to that of the first."""
        first, second = self.metrics[kind][label]["dispersion"]
        return second / first if first and second is not None else None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        ratios = {kind: {label.name: self.ratio(kind, label.name) for label in LABELS} for kind in KINDS}
        return {
            "first": self.first.as_dict(),
            "second": self.second.as_dict(),
            "settings": self.settings,
            "metrics": self.metrics,
            "ratio": ratios,
            "common": asdict(self.common),
        }


def compare_ensembles(first: ListedEnsemble, second: ListedEnsemble) -> Comparison:
    """Compare two ensembles of the registry.

    Parameters
    ----------
    first, second : ListedEnsemble

    Returns
    -------
    Comparison

    Raises
    ------
    ArtefactError
        One of them is not whole.
    """
    known = [read_known_stars(each, read_manifest(each)) for each in (first, second)]
    names = sorted({*first.settings, *second.settings})
    settings = {name: (first.settings.get(name), second.settings.get(name)) for name in names}
    return Comparison(
        first,
        second,
        {name: pair for name, pair in settings.items() if pair[0] != pair[1]},
        {kind: {label.name: _beside(first, second, kind, label.name) for label in LABELS} for kind in KINDS},
        _common(*known),
    )


def read_known_stars(ensemble: ListedEnsemble, manifest: Manifest) -> KnownStars:
    """Read what an ensemble keeps of its training stars.

    Parameters
    ----------
    ensemble : ListedEnsemble
        Must be whole.
    manifest : Manifest

    Returns
    -------
    KnownStars
    """
    kept = read_training(ensemble.path)
    splits = np.array([record.split for record in manifest.members])
    return KnownStars(kept["source_id"], kept["labels"], out_of_fold(kept["predictions"], kept["validation"], splits))


def _beside(
    first: ListedEnsemble, second: ListedEnsemble, kind: str, label: str
) -> dict[str, tuple[float | None, float | None]]:
    a, b = (each.metrics[kind][label] for each in (first, second))
    return {figure: (a.get(figure), b.get(figure)) for figure in ("n", *FIGURES)}


def _common(first: KnownStars, second: KnownStars) -> CommonStars:
    ids, i, j = np.intersect1d(first.source_id, second.source_id, assume_unique=True, return_indices=True)
    good = np.isfinite(first.predicted[i]).all(axis=1) & np.isfinite(second.predicted[j]).all(axis=1)
    good &= (first.labels[i] == second.labels[j]).all(axis=1)
    i, j = i[good], j[good]
    if not i.size:
        return CommonStars(len(ids), 0, {}, {}, {})
    residuals = first.predicted[i] - first.labels[i], second.predicted[j] - second.labels[j]
    difference = second.predicted[j] - first.predicted[i]

    def pairs(a: np.ndarray, b: np.ndarray) -> dict[str, tuple[float, float]]:
        return {label.name: (float(a[k]), float(b[k])) for k, label in enumerate(LABELS)}

    return CommonStars(
        n=len(ids),
        n_compared=int(i.size),
        dispersion=pairs(residuals[0].std(axis=0), residuals[1].std(axis=0)),
        bias=pairs(residuals[0].mean(axis=0), residuals[1].mean(axis=0)),
        difference=pairs(difference.mean(axis=0), difference.std(axis=0)),
    )
