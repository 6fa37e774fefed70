"""Overall uncertainties: running dispersion of CNN - APOGEE and a polynomial through it (Sects. 3.4 and 4.2).

``sigma = sqrt(e**2 + d(label)**2)``: e is the standard deviation over members, d the polynomial at the
predicted label. The paper does not state bins or degree: they are settings of the profile.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from pydantic import BaseModel, ConfigDict, model_validator

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.profiles.model import UncertaintySettings

__all__ = [
    "DispersionFit",
    "RunningDispersion",
    "fit_dispersions",
    "label_bins",
    "overall_sigma",
    "running_dispersion",
]


@dataclass(frozen=True, eq=False)
class RunningDispersion:
    """Standard deviation of residuals in bins of a label."""

    edges: np.ndarray
    """Shape (n_bins + 1,)."""
    centres: np.ndarray
    """Mean label of each bin's stars."""
    bias: np.ndarray
    dispersion: np.ndarray
    n: np.ndarray


def running_dispersion(label: np.ndarray, residual: np.ndarray, n_bins: int, min_stars: int) -> RunningDispersion:
    """Measure the scatter of residuals along a label.

    Bins are equally wide, so that the sparse ends of the sample keep their own scatter; a bin with fewer than
    `min_stars` is joined with the next ones until it has enough, the last one with those before it.

    Parameters
    ----------
    label : numpy.ndarray
        Reference values, shape (n,).
    residual : numpy.ndarray
        CNN - APOGEE, shape (n,).
    n_bins : int
    min_stars : int

    Returns
    -------
    RunningDispersion

    Raises
    ------
    SampleError
        There is no star.
    """
    edges, place = label_bins(label, n_bins, min_stars)
    n = np.bincount(place)
    centres = np.bincount(place, weights=label) / n
    bias = np.bincount(place, weights=residual) / n
    variance = np.bincount(place, weights=(residual - bias[place]) ** 2) / n
    return RunningDispersion(edges, centres, bias, np.sqrt(variance), n)


def label_bins(label: np.ndarray, n_bins: int, min_stars: int) -> tuple[np.ndarray, np.ndarray]:
    """Put stars into bins of a label, as `running_dispersion` does.

    Parameters
    ----------
    label : numpy.ndarray
        Shape (n,).
    n_bins : int
    min_stars : int

    Returns
    -------
    edges : numpy.ndarray
        Of the bins, ascending.
    place : numpy.ndarray of int
        Bin of each star, shape (n,); no bin is empty.

    Raises
    ------
    SampleError
        There is no star.
    """
    if not len(label):
        raise SampleError("The running dispersion of a sample without stars does not exist.", "See `rvscat status`.")
    lower, upper = float(label.min()), float(label.max())
    narrow = np.linspace(lower, upper, n_bins + 1)
    place = np.clip(np.searchsorted(narrow, label, side="right") - 1, 0, n_bins - 1)
    bin_of = _joined_bins(np.bincount(place, minlength=n_bins), min_stars)
    first = np.flatnonzero(np.diff(bin_of, prepend=-1))
    return np.append(narrow[first], upper), bin_of[place]


def _joined_bins(counts: np.ndarray, min_stars: int) -> np.ndarray:
    """Return the number of the joined bin that each narrow bin belongs to."""
    bin_of = np.empty(len(counts), dtype=np.int64)
    current, held = 0, 0
    for i, count in enumerate(counts):
        bin_of[i] = current
        held += count
        if held >= max(1, min_stars):
            current, held = current + 1, 0
    if held < max(1, min_stars) and current > 0:
        bin_of[bin_of == current] = current - 1
    return bin_of


class DispersionFit(BaseModel):
    """Polynomial through a running dispersion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    n_bins: int
    """Equally wide bins, before sparse ones were joined."""
    bin_width: float
    """Of each of them, in the label's unit."""
    min_stars_per_bin: int
    degree: int
    """As fitted: lower than asked for when there are few bins."""
    coefficients: tuple[float, ...]
    """In the variable that maps `domain` to [-1, 1], constant term first."""
    domain: tuple[float, float]
    """First and last bin centre; labels beyond them are taken at the nearer end."""
    lowest: float
    """Smallest dispersion of a bin: the polynomial is never taken below it."""
    highest: float
    edges: tuple[float, ...]
    centres: tuple[float, ...]
    bias: tuple[float, ...]
    dispersion: tuple[float, ...]
    n: tuple[int, ...]

    @model_validator(mode="before")
    @classmethod
    def _with_width(cls, values: Any) -> Any:
        # Ensembles of earlier versions do not state it.
        if isinstance(values, dict) and "bin_width" not in values and values.get("edges"):
            return {**values, "bin_width": (values["edges"][-1] - values["edges"][0]) / values["n_bins"]}
        return values

    def __call__(self, label: np.ndarray) -> np.ndarray:
        """Return the dispersion at `label`, in its unit: between the smallest and largest of the bins."""
        polynomial = Polynomial(self.coefficients, domain=self.domain)
        values: np.ndarray = polynomial(np.clip(label, *self.domain))
        return np.clip(values, self.lowest, self.highest)

    @classmethod
    def fit(cls, label: str, running: RunningDispersion, settings: UncertaintySettings) -> "DispersionFit":
        """Fit a polynomial to `running`, each bin weighted by the root of its number of stars.

        Parameters
        ----------
        label : str
            Its name.
        running : RunningDispersion
        settings : UncertaintySettings

        Returns
        -------
        DispersionFit
        """
        n_bins = len(running.n)
        # One bin more than coefficients, so that the fit smooths.
        degree = max(0, min(settings.degree, n_bins - 2))
        lower, upper = float(running.centres[0]), float(running.centres[-1])
        if upper <= lower:
            lower, upper = lower - 0.5, upper + 0.5
        polynomial = Polynomial.fit(
            running.centres, running.dispersion, degree, domain=[lower, upper], w=np.sqrt(running.n)
        )
        return cls(
            label=label,
            n_bins=settings.n_bins,
            bin_width=float(running.edges[-1] - running.edges[0]) / settings.n_bins,
            min_stars_per_bin=settings.min_stars_per_bin,
            degree=degree,
            coefficients=tuple(polynomial.coef.tolist()),
            domain=(lower, upper),
            lowest=float(running.dispersion.min()),
            highest=float(running.dispersion.max()),
            edges=tuple(running.edges.tolist()),
            centres=tuple(running.centres.tolist()),
            bias=tuple(running.bias.tolist()),
            dispersion=tuple(running.dispersion.tolist()),
            n=tuple(running.n.tolist()),
        )


def fit_dispersions(labels: np.ndarray, predicted: np.ndarray, settings: UncertaintySettings) -> list[DispersionFit]:
    """Fit the running dispersion of each label.

    Parameters
    ----------
    labels : numpy.ndarray
        APOGEE's, shape (n, n_labels).
    predicted : numpy.ndarray
        The network's, same shape.
    settings : UncertaintySettings

    Returns
    -------
    list of DispersionFit
        In the order of ``LABELS``.

    Raises
    ------
    SampleError
        There is no star.
    """
    return [
        DispersionFit.fit(
            label.name,
            running_dispersion(
                labels[:, i], predicted[:, i] - labels[:, i], settings.n_bins, settings.min_stars_per_bin
            ),
            settings,
        )
        for i, label in enumerate(LABELS)
    ]


def overall_sigma(fits: list[DispersionFit], mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Add the dispersion at the predicted label to the deviation over members, in quadrature (Sect. 4.2).

    Parameters
    ----------
    fits : list of DispersionFit
        One a label.
    mean, deviation : numpy.ndarray
        Over members, shape (n, n_labels).

    Returns
    -------
    numpy.ndarray
        Same shape and units.
    """
    dispersion = np.column_stack([fit(mean[:, i]) for i, fit in enumerate(fits)])
    return np.hypot(deviation, dispersion)
