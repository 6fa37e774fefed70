"""Open clusters of the synthetic sky: one distance and one metallicity for all members."""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from catalog.mock import evolution, photometry
from catalog.mock.streams import pick

__all__ = ["Cluster", "draw_cluster_members", "load_clusters", "planned_clusters"]


@dataclass(frozen=True)
class Cluster:
    """Mean parameters of a cluster."""

    name: str
    ra: float
    dec: float
    """Degrees."""
    radius: float
    """Radius that holds half of the members, degrees."""
    pmra: float
    pmdec: float
    """mas/yr."""
    distance: float
    """kpc."""
    log_age: float
    """log10 of the age in years."""
    a_v: float
    """Extinction, mag."""
    feh: float
    """dex."""
    radial_velocity: float
    """km/s."""


def load_clusters() -> list[Cluster]:
    """Read the clusters of ``layouts/clusters.csv``."""
    lines = files(__package__).joinpath("layouts/clusters.csv").read_text().splitlines()
    rows = (line.split(",") for line in lines if line and not line.startswith("#"))
    return [Cluster(name, *map(float, values)) for name, *values in rows]


def planned_clusters(n_stars: int) -> list[tuple[Cluster, int]]:
    """Return which clusters a sky of `n_stars` holds, each with its number of members."""
    clusters = load_clusters()
    if n_stars >= 3000:
        return [(cluster, max(10, min(n_stars // 300, 60))) for cluster in clusters]
    if n_stars >= 300:
        return [(cluster, 5) for cluster in clusters[:2]]
    return [(clusters[0], 3)]


def draw_cluster_members(rng: np.random.Generator, cluster: Cluster, number: int) -> pd.DataFrame:
    """Draw members bright enough for an RVS spectrum.

    Parameters
    ----------
    rng : numpy.random.Generator
    cluster : Cluster
    number : int

    Returns
    -------
    pandas.DataFrame
        `number` rows with the columns of field stars.
    """
    n = 60 * number
    kinds = [evolution.KINDS.index(name) for name in ("dwarf", "subgiant", "giant", "red clump")]
    kind = rng.choice(kinds, n, p=[0.35, 0.15, 0.25, 0.25])
    population = np.zeros(n, dtype=int)
    mh = np.full(n, cluster.feh) + rng.normal(0.0, 0.012, n)
    alpham = np.full(n, 0.01 - 0.10 * min(cluster.feh, 0.0)) + rng.normal(0.0, 0.008, n)
    track = evolution.draw_track(rng, kind, population, mh, alpham)
    # All members are of one age: evolved ones have nearly one mass.
    mass = np.where(kind == kinds[0], track.mass, 10 ** (-0.33 * (cluster.log_age - 10.0)) * rng.normal(1.0, 0.01, n))
    track = evolution.Track(track.teff, track.logg, mass)
    distance = cluster.distance * (1.0 + rng.normal(0.0, 0.003, n))
    a_v = np.full(n, cluster.a_v)
    magnitudes = photometry.apparent(track, mh, distance, a_v)
    transits = np.clip(np.round(rng.lognormal(np.log(photometry.TYPICAL_TRANSITS), 0.3, n)), 4, 90)
    snr = photometry.snr_for_grvs(magnitudes.grvs, transits)
    chosen = pick(rng, snr > 17.0, number)
    chosen |= pick(rng, ~chosen, number - int(chosen.sum()), weight=snr**8)
    offset = np.radians(cluster.radius) * rng.exponential(0.7, n)
    angle = rng.uniform(0.0, 2 * np.pi, n)
    table = pd.DataFrame(
        {
            "has_rvs": True,
            "kind": np.array(evolution.KINDS, dtype=object)[kind],
            "population": "thin disc",
            "cluster": cluster.name,
            "ra": np.mod(cluster.ra + np.degrees(offset * np.cos(angle)) / np.cos(np.radians(cluster.dec)), 360.0),
            "dec": cluster.dec + np.degrees(offset * np.sin(angle)),
            "teff": track.teff,
            "logg": track.logg,
            "mh": mh,
            "alpham": alpham,
            "mass": track.mass,
            "distance": distance,
            "a_v": a_v,
            "g": magnitudes.g,
            "bp": magnitudes.bp,
            "rp": magnitudes.rp,
            "grvs": magnitudes.grvs,
            "transits": transits,
        }
    )
    return table[chosen].reset_index(drop=True)
