"""Galactocentric positions with the constants of Sect. 7."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import CartesianDifferential, Galactocentric, SkyCoord

__all__ = ["galactocentric", "galactocentric_frame"]


def galactocentric_frame(
    sun_r: float = 8.19,
    sun_z: float = 0.0208,
    lsr: float = 240.0,
    sun_motion: Sequence[float] = (11.1, 12.24, 7.25),
) -> Galactocentric:
    """Return the rest frame of the Galaxy.

    Parameters
    ----------
    sun_r : float
        In-plane distance of the Sun from the centre, kpc (GRAVITY Collaboration 2018).
    sun_z : float
        Height of the Sun above the plane, kpc; the paper states none, this is astropy's (Bennett & Bovy 2019).
    lsr : float
        Velocity of the Local Standard of Rest, km/s (Reid et al. 2014).
    sun_motion : sequence of float
        Peculiar velocity (U, V, W) of the Sun, km/s (Schönrich et al. 2010).

    Returns
    -------
    astropy.coordinates.Galactocentric
    """
    towards_centre, rotation, north = sun_motion
    return Galactocentric(
        # astropy wants the distance along the line of sight, the paper states the one in the plane.
        galcen_distance=float(np.hypot(sun_r, sun_z)) * u.kpc,
        galcen_v_sun=CartesianDifferential([towards_centre, lsr + rotation, north] * (u.km / u.s)),
        z_sun=sun_z * u.kpc,
        # Given here, so that no default of an astropy version moves a star.
        galcen_coord=SkyCoord(ra=266.4051 * u.deg, dec=-28.936175 * u.deg, frame="icrs").icrs.frame,
        roll=0 * u.deg,
    )


def galactocentric(
    ra: np.ndarray, dec: np.ndarray, distance: np.ndarray, parameters: Mapping[str, Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return where stars are in the Galaxy.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        ICRS, degrees, shape (n,).
    distance : numpy.ndarray
        From the Sun, kpc, shape (n,); NaN gives NaN.
    parameters : mapping, optional
        May hold arguments of `galactocentric_frame` by name; other names are passed over.

    Returns
    -------
    r, z : numpy.ndarray
        Distance from the axis of rotation and height above the plane, kpc, shape (n,).
    """
    names = ("sun_r", "sun_z", "lsr", "sun_motion")
    frame = galactocentric_frame(**{name: parameters[name] for name in names if parameters and name in parameters})
    sky = SkyCoord(
        ra=np.asarray(ra, dtype=np.float64) * u.deg,
        dec=np.asarray(dec, dtype=np.float64) * u.deg,
        distance=np.asarray(distance, dtype=np.float64) * u.kpc,
    )
    x, y, z = sky.transform_to(frame).cartesian.xyz.to_value(u.kpc)
    return np.hypot(x, y), np.asarray(z)
