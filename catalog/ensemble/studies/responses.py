"""What changes of the spectra do to the labels: rows of ``production.response``, and what they say in words."""

from itertools import groupby
from typing import NamedTuple

import numpy as np

from catalog.ensemble.studies.controls import ControlStars
from catalog.ensemble.studies.experiments import EXPERIMENTS, OBSERVED, Change
from catalog.metadata import LABELS

__all__ = ["ChangedLabels", "Response", "first_beyond", "level_text", "notes_on", "responses_of", "weakest"]

# Labels that answer to nothing by more than this part of their sigma do not come from the spectrum.
_DEAF = 0.05


class Response(NamedTuple):
    """One row of ``production.response``."""

    experiment: str
    level: float
    unit: str
    region: str
    label: str
    n: int
    bias: float
    dispersion: float
    robust_dispersion: float
    e: float
    sigma: float
    unusable: float


class ChangedLabels(NamedTuple):
    """Mean over members, their deviation and overall sigma; shape (…, n, n_labels) each."""

    mean: np.ndarray
    deviation: np.ndarray
    sigma: np.ndarray


def responses_of(every: list[Change], stars: ControlStars, labels: ChangedLabels, part: np.ndarray) -> list[Response]:
    """Sum up each level over stars and realisations, for every class and label.

    Parameters
    ----------
    every : list of Change
        The control first; realisations of a level behind each other.
    stars : ControlStars
    labels : ChangedLabels
    part : numpy.ndarray of bool
        Which stars took part in each change, shape (n_changes, n).

    Returns
    -------
    list of Response
        None where no star took part.
    """
    responses = []
    for (experiment, level), group in groupby(range(len(every)), key=lambda i: every[i][:2]):
        rows = list(group)
        unit = EXPERIMENTS[experiment].unit if experiment != OBSERVED else ""
        for region, inside in stars.regions.items():
            chosen = part[rows] & inside
            if not chosen.any():
                continue
            finite = chosen & np.isfinite(labels.mean[rows]).all(axis=2)
            n = int(finite.any(axis=0).sum())
            unusable = 1.0 - float(finite.sum() / chosen.sum())
            for i, label in enumerate(LABELS):
                difference = (labels.mean[rows, :, i] - labels.mean[0, :, i])[finite]
                e, sigma = (float(size[rows, :, i][finite].mean()) if n else np.nan for size in labels[1:])
                found = (experiment, level, unit, region, label.name, n, *_moments(difference), e, sigma, unusable)
                responses.append(Response(*found))
    return responses


def first_beyond(responses: list[Response]) -> list[Response]:
    """Return, for each experiment, class and label, the weakest change whose mean effect exceeds the overall sigma.

    Parameters
    ----------
    responses : list of Response
        Of all levels, with the control; sigma is that of the spectra as observed.

    Returns
    -------
    list of Response
        None for what stays below at every level.
    """
    sigma = _own_sigma(responses)
    first: dict[tuple[str, str, str], Response] = {}
    for row in sorted(responses, key=_strength):
        if abs(row.bias) > sigma[row.region, row.label]:
            first.setdefault((row.experiment, row.region, row.label), row)
    return list(first.values())


def weakest(beyond: list[Response]) -> list[Response]:
    """Keep the class that answers first, for each experiment and label.

    Parameters
    ----------
    beyond : list of Response
        See `first_beyond`.

    Returns
    -------
    list of Response
    """
    first: dict[tuple[str, str], Response] = {}
    for row in sorted(beyond, key=_strength):
        first.setdefault((row.experiment, row.label), row)
    return list(first.values())


def level_text(row: Response) -> str:
    """Return the level with its unit, as people write it."""
    return f"S/N {row.level:g}" if row.experiment == "noise" else f"{row.level:g} {row.unit}"


def notes_on(responses: list[Response], stars: ControlStars, good: np.ndarray) -> list[str]:
    """Say in words what the responses show.

    Parameters
    ----------
    responses : list of Response
    stars : ControlStars
    good : numpy.ndarray of bool
        Stars that have labels as observed, shape (n,).

    Returns
    -------
    list of str
    """
    notes = [
        f"No training star of high S/N belongs to the class {name!r}."
        for name, inside in stars.regions.items()
        if not (inside & good).any()
    ]
    first = {(row.experiment, row.label): row for row in weakest(first_beyond(responses))}
    for name, experiment in EXPERIMENTS.items():
        found = [(label, first[name, label.name]) for label in LABELS if (name, label.name) in first]
        if found:
            parts = ", ".join(f"{level_text(row)} for {label.text} ({row.region})" for label, row in found)
            notes.append(f"{experiment.title}: the mean change exceeds the overall sigma at {parts}.")
        elif any(row.experiment == name for row in responses):
            notes.append(f"{experiment.title}: no mean change exceeds the overall sigma at any level.")
    sigma = _own_sigma(responses)
    # A star alone has no scatter.
    moved = [
        (abs(row.bias) + np.nan_to_num(row.dispersion), sigma[row.region, row.label])
        for row in responses
        if row.n and row.experiment != OBSERVED
    ]
    if moved and all(size < _DEAF * own for size, own in moved):
        notes.append(
            f"No change moves any label by more than {100 * _DEAF:g} % of its overall sigma: these networks hardly "
            "look at the RVS spectrum."
        )
    return notes


def _own_sigma(responses: list[Response]) -> dict[tuple[str, str], float]:
    """Return the overall sigma of each class and label before any change."""
    return {(row.region, row.label): row.sigma for row in responses if row.experiment == OBSERVED}


def _strength(row: Response) -> float:
    """Order the levels of an experiment from weak to strong: noise is the stronger, the lower the S/N."""
    return -row.level if row.experiment == "noise" else abs(row.level)


def _moments(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean, standard deviation and half the width from percentile 15.87 to 84.13."""
    if not len(values):
        return np.nan, np.nan, np.nan
    low, high = np.percentile(values, [15.87, 84.13])
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return float(values.mean()), spread, float(high - low) / 2
