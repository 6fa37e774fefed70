"""What the inputs are worth: ensembles that do without some of them, judged on the same stars (Appendix B)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.ensemble.metrics import out_of_fold, residual_metrics
from catalog.ensemble.prediction.loading import combine
from catalog.ensemble.registry.artefact import read_training
from catalog.ensemble.registry.listing import KINDS, ListedEnsemble, read_manifest
from catalog.ensemble.uncertainty import DispersionFit, overall_sigma
from catalog.ensemble.variants.subsets import CONFUSED, COOL, SUBSETS, Subset
from catalog.errors import ArtefactError
from catalog.metadata import LABELS

__all__ = ["Confusion", "VariantFigures", "VariantStudy", "study_variants"]

Metrics = dict[str, dict[str, dict[str, float | int | None]]]

_TEFF, _LOGG = (next(i for i, label in enumerate(LABELS) if label.name == name) for name in ("teff", "logg"))


@dataclass(frozen=True)
class Confusion:
    """Cool stars that are taken for stars of another kind."""

    n: int
    """Stars below `COOL` that some member has not seen."""
    n_confused: int
    """Of them, those whose log g is off by more than `CONFUSED`."""


@dataclass(frozen=True, eq=False)
class VariantFigures:
    """How well one variant does."""

    title: str
    ensemble: ListedEnsemble
    epochs: float
    """Mean over members."""
    wall_s: float
    """Of the training."""
    metrics: dict[str, Metrics]
    """By name of the subset: see `catalog.ensemble.metrics.residual_metrics`."""
    confusion: Confusion
    unseen: np.ndarray
    """Out-of-fold labels, shape (n, n_labels); NaN for stars that every member has seen."""


@dataclass(frozen=True, eq=False)
class VariantStudy:
    """Variants side by side."""

    run_id: int
    release: str
    source_id: np.ndarray
    labels: np.ndarray
    """APOGEE's, shape (n, n_labels)."""
    subsets: tuple[tuple[Subset, int], ...]
    """Those that hold stars, with how many."""
    variants: tuple[VariantFigures, ...]
    """The run's own ensemble first."""

    def ratio(
        self, variant: VariantFigures, label: str, subset: str = "all", kind: str = "out_of_fold"
    ) -> float | None:
        """Return a dispersion relative to that of the run's own ensemble."""
        own = self.variants[0].metrics[subset][kind][label]["dispersion"]
        other = variant.metrics[subset][kind][label]["dispersion"]
        return None if not own or other is None else other / own

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        names = [label.name for label in LABELS]
        return {
            "run_id": self.run_id,
            "release": self.release,
            "n_stars": len(self.source_id),
            "subsets": [
                {"name": subset.name, "kind": subset.kind, "n": n, "limits": _limits(subset)}
                for subset, n in self.subsets
            ],
            "variants": [
                {
                    "variant": each.ensemble.variant,
                    "title": each.title,
                    "ensemble_id": each.ensemble.ensemble_id,
                    "key": each.ensemble.key,
                    "inputs": each.ensemble.settings["network.inputs"],
                    "scalars": each.ensemble.settings["network.scalars"],
                    "members": each.ensemble.n_members,
                    "epochs": each.epochs,
                    "wall_s": each.wall_s,
                    "metrics": each.metrics,
                    "ratio": {kind: {name: self.ratio(each, name, kind=kind) for name in names} for kind in KINDS},
                    "confused_cool_stars": {"n": each.confusion.n, "n_confused": each.confusion.n_confused},
                }
                for each in self.variants
            ],
        }


def study_variants(
    run_id: int, release: str, ensembles: Sequence[tuple[str, ListedEnsemble]], subsets: Sequence[Subset] = SUBSETS
) -> VariantStudy:
    """Judge ensembles that were trained on the same stars by their out-of-fold labels.

    Parameters
    ----------
    run_id : int
    release : str
        Key of the survey rows.
    ensembles : sequence of tuple
        Title and ensemble; the run's own first.
    subsets : sequence of Subset

    Returns
    -------
    VariantStudy

    Raises
    ------
    ArtefactError
        An ensemble is damaged, or they were trained on different stars.
    """
    first = read_training(ensembles[0][1].path)
    source_id, labels = first["source_id"], first["labels"]
    held = [(subset, subset.holds(labels)) for subset in subsets]
    held = [(subset, inside) for subset, inside in held if inside.any()]
    figures = [_figures(title, each, source_id, labels, held) for title, each in ensembles]
    counts = tuple((subset, int(inside.sum())) for subset, inside in held)
    return VariantStudy(run_id, release, source_id, labels, counts, tuple(figures))


def _figures(
    title: str,
    ensemble: ListedEnsemble,
    source_id: np.ndarray,
    labels: np.ndarray,
    held: Sequence[tuple[Subset, np.ndarray]],
) -> VariantFigures:
    manifest = read_manifest(ensemble)
    kept = read_training(ensemble.path)
    if not (np.array_equal(kept["source_id"], source_id) and np.array_equal(kept["labels"], labels)):
        raise ArtefactError(
            f"Ensemble {ensemble.ensemble_id} was trained on other stars than the first: variants cannot be compared.",
            "`rvscat ensembles compare` compares what two ensembles have in common.",
        )
    mean, deviation = combine(kept["predictions"])
    fits = [DispersionFit.model_validate(manifest.uncertainty["fits"][label.name]) for label in LABELS]
    sigma = overall_sigma(fits, mean, deviation)
    splits = np.array([record.split for record in manifest.members])
    unseen = out_of_fold(kept["predictions"], kept["validation"], splits)
    cool = (labels[:, _TEFF] < COOL) & np.isfinite(unseen[:, _LOGG])
    wrong = np.abs(unseen[cool, _LOGG] - labels[cool, _LOGG]) > CONFUSED
    return VariantFigures(
        title,
        ensemble,
        float(np.mean([record.epochs for record in manifest.members])),
        manifest.wall_s,
        {s.name: residual_metrics(labels[i], mean[i], unseen[i], sigma[i]) for s, i in held},
        Confusion(int(cool.sum()), int(wrong.sum())),
        unseen,
    )


def _limits(subset: Subset) -> dict[str, list[float | None]]:
    return {label: [v if np.isfinite(v) else None for v in (lower, upper)] for label, lower, upper in subset.limits}
