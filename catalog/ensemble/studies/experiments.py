"""Which changes are made to spectra in the study of robustness, and how each is made."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from catalog.ensemble.studies import degrade
from catalog.ensemble.studies.controls import ControlStars
from catalog.profiles.model import RobustnessSettings
from catalog.releases import PixelGrid

__all__ = ["EXPERIMENTS", "OBSERVED", "Change", "Experiment", "Name", "changes", "degraded", "takes_part"]

Name = Literal["observed", "velocity", "noise", "rotation", "tilt", "missing"]


@dataclass(frozen=True)
class Experiment:
    """One kind of change."""

    title: str
    unit: str
    """Of its levels."""
    number: int
    """Keeps its random numbers apart from those of the others."""


OBSERVED: Name = "observed"
"""No change: the control."""

EXPERIMENTS: dict[Name, Experiment] = {
    "velocity": Experiment("Radial velocity left uncorrected", "km/s", 1),
    "noise": Experiment("Noise added down to an S/N", "S/N", 2),
    "rotation": Experiment("Rotation", "km/s", 3),
    "tilt": Experiment("Tilt of the continuum", "%", 4),
    "missing": Experiment("Run of missing pixels", "pixels", 5),
}


class Change(NamedTuple):
    """One change of all spectra."""

    experiment: Name
    level: float
    realisation: int = 0


def changes(settings: RobustnessSettings) -> list[Change]:
    """Return all changes, the control first; a level that is named twice is made once.

    Parameters
    ----------
    settings : RobustnessSettings

    Returns
    -------
    list of Change
    """
    levels: dict[Name, tuple[float, ...]] = {
        "velocity": settings.velocities,
        "noise": settings.snr,
        "rotation": settings.vsini,
        "tilt": settings.tilt,
        "missing": settings.missing,
    }
    drawn = {"noise", "missing"}
    return [Change(OBSERVED, 0.0)] + [
        Change(name, float(level), i)
        for name, values in levels.items()
        for level in dict.fromkeys(values)
        for i in range(settings.realisations if name in drawn else 1)
    ]


def takes_part(change: Change, stars: ControlStars, settings: RobustnessSettings) -> np.ndarray:
    """Return which stars a change can be made to: noise needs stars that have much less of it.

    Parameters
    ----------
    change : Change
    stars : ControlStars
    settings : RobustnessSettings

    Returns
    -------
    numpy.ndarray of bool
        Shape (n,).
    """
    if change.experiment != "noise":
        return np.ones(len(stars), dtype=bool)
    taken: np.ndarray = stars.snr >= settings.snr_margin * change.level
    return taken


def degraded(change: Change, stars: ControlStars, grid: PixelGrid, settings: RobustnessSettings) -> np.ndarray:
    """Change spectra.

    Parameters
    ----------
    change : Change
    stars : ControlStars
        Such as `takes_part` allows.
    grid : PixelGrid
    settings : RobustnessSettings

    Returns
    -------
    numpy.ndarray
        Flux, shape (n, n_pixels), float32, NaN where a pixel is missing.
    """
    match change.experiment:
        case "velocity":
            return degrade.shift(stars.flux, grid, change.level)
        case "noise":
            white = np.array([s.standard_normal(grid.n_pixels) for s in _streams(change, stars, settings.seed)])
            noise = degrade.correlated_noise(white, settings.noise_correlation)
            factor = degrade.noise_factor(stars.snr, change.level)
            return degrade.add_noise(stars.flux, stars.flux_error, factor, noise)
        case "rotation":
            return degrade.broaden(stars.flux, grid, change.level, settings.limb_darkening)
        case "tilt":
            return degrade.tilt(stars.flux, change.level / 100.0)
        case "missing":
            place = np.array([stream.random() for stream in _streams(change, stars, settings.seed)])
            return degrade.mask_run(stars.flux, int(change.level), place)
    return stars.flux


def _streams(change: Change, stars: ControlStars, seed: int) -> list[np.random.Generator]:
    # Not of the level: more of the same noise, and longer runs at the same place, make smooth curves.
    number = EXPERIMENTS[change.experiment].number
    return [degrade.star_stream(seed, number, source_id, change.realisation) for source_id in stars.source_id.tolist()]
