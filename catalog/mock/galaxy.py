"""The Milky Way of the synthetic sky: densities, chemistry, motions and dust as functions of R and Z.

Scale lengths, gradients and abundance sequences are round numbers near those of the literature (Hayden et
al. 2015; Queiroz et al. 2020; Bland-Hawthorn & Gerhard 2016). Constants of the Sun are those of the paper,
Sect. 7.
"""

import numpy as np

from catalog.sky.frames import ICRS_FROM_GALACTIC, galactic_to_icrs, unit_vector

__all__ = [
    "POPULATIONS",
    "SUN_R",
    "alpha_to_metals",
    "choose_population",
    "directions",
    "extinction",
    "galactocentric",
    "metallicity",
    "observed_motion",
]

POPULATIONS: tuple[str, ...] = ("thin disc", "thick disc", "halo", "bulge")

SUN_R = 8.19
"""Distance of the Sun from the Galactic centre, kpc."""
SUN_Z = 0.02
"""Height of the Sun above the plane, kpc."""
SUN_MOTION = (11.1, 12.24, 7.25)
"""Peculiar velocity of the Sun, km/s."""
ROTATION = 240.0
"""Velocity of the Local Standard of Rest, km/s."""
KMS_PER_MAS_YR_KPC = 4.740_470_446


def directions(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw Galactic longitudes and latitudes as a bright spectroscopic survey sees them.

    Returns
    -------
    lon, lat : numpy.ndarray, shape (number,)
        Degrees; two thirds near the plane, one twelfth towards the bulge, the rest anywhere.
    """
    part = rng.random(number)
    isotropic = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, number)))
    disc = rng.laplace(0.0, 11.0, number)
    bulge_lon, bulge_lat = rng.normal(0.0, 7.0, number), rng.normal(0.0, 5.0, number)
    anywhere = rng.uniform(0.0, 360.0, number)
    lon = np.where(part < 1 / 12, bulge_lon, anywhere)
    lat = np.where(part < 1 / 12, bulge_lat, np.where(part < 0.7, disc, isotropic))
    return np.mod(lon, 360.0), np.clip(lat, -89.9, 89.9)


def galactocentric(lon: np.ndarray, lat: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cylindrical R and Z, kpc, of stars at `distance` (kpc)."""
    x, y, z = unit_vector(lon, lat) * distance
    return np.hypot(x - SUN_R, y), z + SUN_Z


def choose_population(rng: np.random.Generator, r: np.ndarray, z: np.ndarray, young: np.ndarray) -> np.ndarray:
    """Draw each star's population from the local densities.

    Parameters
    ----------
    rng : numpy.random.Generator
    r, z : numpy.ndarray, shape (n,)
        Galactocentric, kpc.
    young : numpy.ndarray of bool, shape (n,)
        Massive stars: thin disc only.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Index into `POPULATIONS`.
    """
    height = 0.30 * np.exp(np.clip((r - SUN_R) / 9.0, -1.0, 2.0))  # flares outwards
    sphere = np.sqrt(r**2 + (z / 0.8) ** 2)
    density = np.stack(
        [
            np.exp(-(r - SUN_R) / 2.6 - np.abs(z) / height),
            0.13 * np.exp(-(r - SUN_R) / 2.0 - np.abs(z) / 0.9),
            # More than the real halo's share: the metal-poor tail must not be empty in a small sky.
            0.010 * (np.maximum(sphere, 1.0) / SUN_R) ** -2.7,
            160.0 * np.exp(-sphere / 0.75),
        ]
    )
    cumulative = np.cumsum(density, axis=0)
    drawn = (rng.random(r.size) * cumulative[-1] > cumulative).sum(axis=0)
    return np.where(young, 0, drawn)


def metallicity(rng: np.random.Generator, population: np.ndarray, r: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Draw [M/H], dex, of stars of given population at (R, Z) in kpc."""
    n = r.size
    thin = rng.normal(0.0, 0.17, n) - 0.055 * (r - SUN_R) - 0.10 * np.abs(z)
    thick = rng.normal(-0.45, 0.24, n)
    halo = rng.normal(-1.40, 0.42, n)
    bulge = np.where(rng.random(n) < 0.5, rng.normal(0.28, 0.13, n), rng.normal(-0.35, 0.25, n))
    drawn = np.choose(population, [thin, thick, halo, bulge])
    lower = np.choose(population, [-0.75, -1.4, -3.0, -1.3])
    upper = np.choose(population, [0.50, 0.25, -0.6, 0.55])
    # Fold back what lies outside instead of piling it up at the edge.
    drawn = np.where(drawn > upper, 2 * upper - drawn, drawn)
    return np.clip(np.where(drawn < lower, 2 * lower - drawn, drawn), lower, upper)


def alpha_to_metals(rng: np.random.Generator, population: np.ndarray, mh: np.ndarray) -> np.ndarray:
    """Draw [alpha/M], dex: a low sequence, a high one, and accreted stars below it.

    Thin-disc stars follow the low sequence, the thick disc, the metal-poor bulge and two thirds of the halo
    the high one; which of them is seen therefore depends on R and Z.
    """
    n = mh.size
    low = 0.015 - 0.10 * np.minimum(mh, 0.0) - 0.03 * np.maximum(mh, 0.0) + rng.normal(0.0, 0.017, n)
    knee = np.maximum(mh + 0.65, 0.0)
    high = 0.255 - 0.17 * knee - 0.10 * np.maximum(mh, 0.0) + rng.normal(0.0, 0.019, n)
    accreted = 0.12 - 0.14 * (mh + 1.2) + rng.normal(0.0, 0.04, n)
    halo = np.where(rng.random(n) < 0.35, accreted, high)
    bulge = np.where(mh > 0.05, low, high)
    return np.clip(np.choose(population, [low, high, halo, bulge]), -0.2, 0.46)


def extinction(lon: np.ndarray, lat: np.ndarray, distance: np.ndarray, clumpiness: np.ndarray) -> np.ndarray:
    """Return A_V, mag, through an exponential dust disc 0.12 kpc high.

    Parameters
    ----------
    lon, lat : numpy.ndarray, shape (n,)
        Degrees.
    distance : numpy.ndarray, shape (n,)
        kpc.
    clumpiness : numpy.ndarray, shape (n,)
        Dust on each line of sight in units of the smooth disc's.
    """
    sine = np.maximum(np.abs(np.sin(np.radians(lat))), 1e-3)
    column = 0.12 / sine * (1.0 - np.exp(-distance * sine / 0.12))
    # The disc thickens inwards; half way along the line of sight stands for all of it.
    r_middle, _ = galactocentric(lon, lat, 0.5 * distance)
    local = 0.75 * np.exp(-(r_middle - SUN_R) / 4.0)
    return np.asarray(6.0 * np.tanh(column * local * clumpiness / 6.0))


def observed_motion(
    rng: np.random.Generator, population: np.ndarray, lon: np.ndarray, lat: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw space motions and return what is seen of them.

    Returns
    -------
    pmra, pmdec : numpy.ndarray, shape (n,)
        mas/yr, pmra with the factor cos(dec).
    radial_velocity : numpy.ndarray, shape (n,)
        km/s, barycentric.
    """
    n = lon.size
    sigma = np.choose(population, [30.0, 60.0, 130.0, 90.0])
    mean = np.choose(population, [228.0, 190.0, 30.0, 90.0])
    radial, tangential, vertical = rng.normal(0.0, 1.0, (3, n)) * sigma
    tangential = mean + 0.7 * tangential
    x, y, _ = unit_vector(lon, lat) * distance
    # Direction of the centre and of rotation at the star, in axes that point to the centre, along the
    # Sun's rotation, and to the north pole.
    from_centre = np.stack([x - SUN_R, y])
    from_centre /= np.maximum(np.hypot(*from_centre), 1e-6)
    velocity = np.stack(
        [
            radial * from_centre[0] + tangential * from_centre[1],
            radial * from_centre[1] - tangential * from_centre[0],
            0.5 * vertical,
        ]
    )
    velocity -= np.array([SUN_MOTION[0], ROTATION + SUN_MOTION[1], SUN_MOTION[2]])[:, None]
    sight = unit_vector(lon, lat)
    radial_velocity = (velocity * sight).sum(axis=0)
    across = ICRS_FROM_GALACTIC @ ((velocity - radial_velocity * sight) / (KMS_PER_MAS_YR_KPC * distance))
    ra, dec = (np.radians(angle) for angle in galactic_to_icrs(lon, lat))
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros(n)])
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    return (across * east).sum(axis=0), (across * north).sum(axis=0), radial_velocity
