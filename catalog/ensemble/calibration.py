"""Calibrated uncertainties: sigmas that hold 68.27 % of the differences of stars that no network was trained on.

The paper's sigma rests on the residuals of training stars, of which three members of four have seen any one star: it
is too small by what the networks have learnt by heart. Here the mean over the members that have not seen a star is
compared with APOGEE instead (`catalog.ensemble.metrics.out_of_fold`)::

    sigma_oof = factor * sqrt(e**2 + d(label)**2)

e is the published dispersion over all members. d is a polynomial in the predicted label, through one value for each
bin: the one with which 68.27 % of the bin's residuals are at most sqrt(e**2 + d**2), whatever their distribution.
The factor makes up for what the polynomial smooths away, so that the fraction holds for the sample as a whole. Bins,
their smallest number of stars and the degree are those of the paper's sigma.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from catalog.ensemble.metrics import out_of_fold
from catalog.ensemble.uncertainty import DispersionFit, RunningDispersion, label_bins
from catalog.metadata import LABELS
from catalog.profiles.model import UncertaintySettings

__all__ = [
    "FEWEST_STARS",
    "TARGET",
    "Calibration",
    "OutOfFold",
    "calibrate_out_of_fold",
    "calibrated_sigma",
    "cross_validated_sigma",
    "fit_calibrations",
]

TARGET = 0.6827
"""Fraction of residuals within one sigma: that of a Gaussian."""

FEWEST_STARS = 10
"""Fewer out-of-fold stars give no calibration."""

# The halves of a cross-validation depend on nothing but the order of source_ids.
_HALVES_SEED = 68


class Calibration(BaseModel):
    """Calibrated uncertainty of one label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    n_stars: int
    """Out-of-fold stars it rests on."""
    target: float
    factor: float
    fit: DispersionFit
    """d, in bins of the predicted label."""

    def __call__(self, value: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        """Return sigma at predicted labels `value` with dispersions `deviation` over members."""
        return self.factor * np.hypot(deviation, self.fit(value))

    @classmethod
    def of(
        cls, label: str, value: np.ndarray, residual: np.ndarray, deviation: np.ndarray, settings: UncertaintySettings
    ) -> "Calibration":
        """Calibrate one label.

        Parameters
        ----------
        label : str
            Its name.
        value : numpy.ndarray
            Predicted by members that have not seen the star, shape (n,); n is not 0.
        residual : numpy.ndarray
            `value` - APOGEE, same shape.
        deviation : numpy.ndarray
            Over members, same shape.
        settings : UncertaintySettings

        Returns
        -------
        Calibration
        """
        edges, place = label_bins(value, settings.n_bins, settings.min_stars_per_bin)
        n = np.bincount(place)
        # |r| <= sqrt(e^2 + d^2) is the same as r^2 - e^2 <= d^2.
        needed = residual**2 - deviation**2
        d = np.sqrt([max(0.0, float(np.quantile(needed[place == i], TARGET))) for i in range(len(n))])
        centres = np.bincount(place, weights=value) / n
        bias = np.bincount(place, weights=residual) / n
        fit = DispersionFit.fit(label, RunningDispersion(edges, centres, bias, d, n), settings)
        sigma = np.hypot(deviation, fit(value))
        told = sigma > 0
        factor = float(np.quantile(np.abs(residual[told]) / sigma[told], TARGET)) if told.any() else 0.0
        return cls(label=label, n_stars=len(value), target=TARGET, factor=factor or 1.0, fit=fit)


def fit_calibrations(
    labels: np.ndarray, unseen: np.ndarray, deviation: np.ndarray, settings: UncertaintySettings
) -> list[Calibration]:
    """Calibrate the uncertainty of each label.

    Parameters
    ----------
    labels : numpy.ndarray
        APOGEE's, shape (n, n_labels).
    unseen : numpy.ndarray
        Mean over the members that have not seen the star, same shape; rows that are not finite are left out.
    deviation : numpy.ndarray
        Over all members, same shape.
    settings : UncertaintySettings

    Returns
    -------
    list of Calibration
        In the order of ``LABELS``; empty when there are fewer than `FEWEST_STARS`.
    """
    known = _known(labels, unseen, deviation)
    if known.sum() < FEWEST_STARS:
        return []
    value, residual, e = unseen[known], (unseen - labels)[known], deviation[known]
    return [
        Calibration.of(label.name, value[:, i], residual[:, i], e[:, i], settings) for i, label in enumerate(LABELS)
    ]


def calibrated_sigma(calibrations: list[Calibration], mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the calibrated uncertainty of predicted labels.

    Parameters
    ----------
    calibrations : list of Calibration
        One a label, or none at all.
    mean, deviation : numpy.ndarray
        Over members, shape (n, n_labels).

    Returns
    -------
    numpy.ndarray
        Same shape and units; NaN without calibrations.
    """
    if not calibrations:
        return np.full(mean.shape, np.nan)
    return np.column_stack([each(mean[:, i], deviation[:, i]) for i, each in enumerate(calibrations)])


def cross_validated_sigma(
    labels: np.ndarray, unseen: np.ndarray, deviation: np.ndarray, settings: UncertaintySettings
) -> np.ndarray:
    """Return the sigma of each star, calibrated on the half of the stars that it does not belong to.

    How many residuals lie within it tells how good a calibration is: that number was not used to make it.

    Parameters
    ----------
    labels, unseen, deviation : numpy.ndarray
        As for `fit_calibrations`, in the order of source_id.
    settings : UncertaintySettings

    Returns
    -------
    numpy.ndarray
        Shape (n, n_labels); NaN for stars that every member has seen, and when a half is too small.
    """
    sigma = np.full(unseen.shape, np.nan)
    known = np.flatnonzero(_known(labels, unseen, deviation))
    half = np.random.default_rng(_HALVES_SEED).permutation(known.size) % 2
    for number in (0, 1):
        own, other = known[half == number], known[half != number]
        calibrations = fit_calibrations(labels[other], unseen[other], deviation[other], settings)
        sigma[own] = calibrated_sigma(calibrations, unseen[own], deviation[own])
    return sigma


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Training stars as the members see them that were not trained on them."""

    n_unseen: np.ndarray
    """Members that have not seen the star, shape (n,)."""
    mean: np.ndarray
    """Over these members, shape (n, n_labels); NaN where there is none."""
    residual: np.ndarray
    """That mean - APOGEE."""
    sigma: np.ndarray
    """See `cross_validated_sigma`."""
    calibrations: list[Calibration]
    """For stars of the catalogue; empty when there are too few stars."""

    def description(self) -> dict[str, Any]:
        """Return what a manifest and ``production.ensemble.uncertainty`` record."""
        tested = _known(self.residual, self.sigma)
        n, residual, sigma = int(tested.sum()), np.abs(self.residual[tested]), self.sigma[tested]
        return {
            "rule": "factor * sqrt(e**2 + d(label)**2)",
            "e": "standard deviation over all members, divided by their number",
            "d": f"polynomial through the value in each bin of the predicted label with which {100 * TARGET:.2f} % of "
            "the out-of-fold residuals are at most sqrt(e**2 + d**2)",
            "fits": {each.label: each.model_dump(mode="json") for each in self.calibrations},
            "cross_validation": {
                "rule": "calibrated on one half of the out-of-fold stars, tested on the other, and the other way round",
                "n": n,
                "coverage_1": _named((residual <= sigma).mean(axis=0) if n else None),
                "coverage_2": _named((residual <= 2.0 * sigma).mean(axis=0) if n else None),
            },
        }


def calibrate_out_of_fold(
    labels: np.ndarray,
    predictions: np.ndarray,
    validation: np.ndarray,
    splits: np.ndarray,
    settings: UncertaintySettings,
) -> OutOfFold:
    """Judge the training stars by the members that have not seen them, and calibrate the uncertainties on them.

    Parameters
    ----------
    labels : numpy.ndarray
        APOGEE's, shape (n, n_labels), in the order of source_id.
    predictions : numpy.ndarray
        Of each member, shape (n_members, n, n_labels).
    validation : numpy.ndarray of bool
        Shape (n_splits, n).
    splits : numpy.ndarray of int
        Split of each member, shape (n_members,).
    settings : UncertaintySettings

    Returns
    -------
    OutOfFold
    """
    unseen = out_of_fold(predictions, validation, splits)
    deviation = predictions.std(axis=0, dtype=np.float64)
    return OutOfFold(
        n_unseen=validation[splits].sum(axis=0),
        mean=unseen,
        residual=unseen - labels,
        sigma=cross_validated_sigma(labels, unseen, deviation, settings),
        calibrations=fit_calibrations(labels, unseen, deviation, settings),
    )


def _known(*arrays: np.ndarray) -> np.ndarray:
    known: np.ndarray = np.logical_and.reduce([np.isfinite(values).all(axis=1) for values in arrays])
    return known


def _named(fractions: np.ndarray | None) -> dict[str, float | None]:
    values = [None] * len(LABELS) if fractions is None else [float(value) for value in fractions]
    return {label.name: value for label, value in zip(LABELS, values, strict=True)}
