"""The stars of the synthetic sky, before any instrument has looked at them.

`draw_stars` returns a table with one row a source, sorted by source_id:

========================  ==============================================================================
column                    content
========================  ==============================================================================
source_id, ra, dec, l, b  identifier (int64) and position, degrees
random_index              a permutation of 1 to n
has_rvs                   False for a few fainter sources, which have no RVS spectrum
kind, population          texts of `evolution.KINDS`, `galaxy.POPULATIONS`; ``binary`` is a kind too
cluster                   name of its open cluster, or an empty text
teff, logg, mh, alpham,   the true labels: K, log(cm/s2), dex (of the brighter star of a binary)
feh
nitrogen                  [N/M], dex
mass, radius, luminosity  solar
distance, r_gal, z_gal    kpc
a_v                       extinction, mag
g, bp, rp, grvs           true apparent magnitudes
snr, transits             S/N of the RVS spectrum, number of RVS transits
vbroad                    rotation and macroturbulence, km/s
companion_teff, _logg     of a binary's fainter star; 0 for single stars
companion_fraction        its share of the red light
companion_velocity        its velocity relative to the brighter star, km/s
emission                  strength of line emission, 0 for none
pmra, pmdec               mas/yr
radial_velocity           km/s
========================  ==============================================================================
"""

import numpy as np
import pandas as pd

from catalog.mock import evolution, galaxy, photometry
from catalog.mock.clusters import Cluster, draw_cluster_members, planned_clusters
from catalog.mock.streams import pick, stream
from catalog.profiles.model import MockSettings
from catalog.sky import frames, healpix

__all__ = ["draw_stars"]

# Shares among stars with RVS spectra; rare kinds are kept above a minimum.
SHARES = {
    "dwarf": 0.205,
    "subgiant": 0.08,
    "giant": 0.345,
    "red clump": 0.265,
    "M giant": 0.035,
    "M dwarf": 0.014,
    "hot star": 0.042,
    "emission-line star": 0.014,
}
YOUNG = {"hot star", "emission-line star"}
LATE = {"M giant", "M dwarf"}
THICK, HALO = galaxy.POPULATIONS.index("thick disc"), galaxy.POPULATIONS.index("halo")
BINARY_SHARE = 0.07
FAINT_SHARE = 0.05
"""Sources without RVS spectrum, in units of those with one."""

LOWEST_SNR = 15.0
SNR_SLOPE = 0.85
"""Power of the cumulative S/N distribution: a third of the spectra lies between 15 and 25 (Sect. 2.1)."""


def draw_stars(mock: MockSettings) -> pd.DataFrame:
    """Draw a synthetic sky.

    Parameters
    ----------
    mock : MockSettings
        Size and seed; the number of files does not matter here.

    Returns
    -------
    pandas.DataFrame
        ``mock.n_stars`` rows with an RVS spectrum and a few per cent without; see the module's text.
    """
    seed = mock.seed
    clusters = planned_clusters(mock.n_stars)
    members = [draw_cluster_members(stream(seed, "cluster", c.name), c, number) for c, number in clusters]
    n_members = sum(len(table) for table in members)
    field = _draw_field(stream(seed, "field"), mock.n_stars - n_members)
    faint = _draw_field(stream(seed, "faint"), max(5, round(FAINT_SHARE * mock.n_stars)), faint=True)
    stars = pd.concat([field, *members, faint], ignore_index=True)
    _add_details(stream(seed, "details"), stars)
    _add_companions(stream(seed, "companions"), stars)
    _add_motions(stream(seed, "motions"), stars, [cluster for cluster, _ in clusters])
    _add_source_ids(stream(seed, "source_id"), stars)
    stars["random_index"] = stream(seed, "random_index").permutation(len(stars)) + 1
    return stars.sort_values("source_id", kind="stable", ignore_index=True)


def _stratified_kinds(rng: np.random.Generator, number: int, least: int) -> np.ndarray:
    """Return kinds in nearly exact proportion, at least `least` of each, in random order."""
    shares = np.array([SHARES[kind] for kind in evolution.KINDS])
    counts = np.maximum(np.floor(shares / shares.sum() * number).astype(int), least)
    counts[np.argmax(counts)] += number - counts.sum()
    kinds = np.repeat(np.arange(len(evolution.KINDS)), counts)
    return np.asarray(rng.permutation(kinds))


def _draw_field(rng: np.random.Generator, number: int, faint: bool = False) -> pd.DataFrame:
    kind = _stratified_kinds(rng, number, least=0 if faint else 2)
    lon, lat = galaxy.directions(rng, number)
    clumpiness = rng.lognormal(0.0, 0.35, number)
    transits = np.clip(np.round(rng.lognormal(np.log(photometry.TYPICAL_TRANSITS), 0.35, number)), 4, 90)
    if faint:
        grvs = rng.uniform(14.2, 16.0, number)
    else:
        snr = LOWEST_SNR * rng.uniform(0.008, 1.0, number) ** (-1.0 / SNR_SLOPE)
        # Bright stars are rarer than the power law says; the brightest saturate.
        snr = np.where(snr > 60.0, 60.0 * (snr / 60.0) ** 0.5, snr)
        grvs = photometry.grvs_for_snr(snr, transits)

    # A first guess of the distance gives the population, the population gives the metals, and the metals move
    # the star a little on its track and so along the line of sight.
    young = np.isin(np.array(evolution.KINDS)[kind], sorted(YOUNG))
    lat = np.where(young, 0.25 * lat, lat)  # they have not left the plane
    population = np.zeros(number, dtype=int)
    mh, alpham = np.full(number, -0.1), np.full(number, 0.05)
    track = evolution.draw_track(rng, kind, population, mh, alpham)
    distance = photometry.distance_for_grvs(track, mh, grvs, lon, lat, clumpiness)
    r_gal, z_gal = galaxy.galactocentric(lon, lat, distance)
    population = galaxy.choose_population(rng, r_gal, z_gal, young)
    # Metal-poor branches do not reach the temperatures of M stars.
    late = np.isin(np.array(evolution.KINDS)[kind], sorted(LATE))
    population = np.where(late & (population == HALO), THICK, population)
    mh = galaxy.metallicity(rng, population, r_gal, z_gal)
    alpham = galaxy.alpha_to_metals(rng, population, mh)
    track = evolution.draw_track(rng, kind, population, mh, alpham)
    distance = photometry.distance_for_grvs(track, mh, grvs, lon, lat, clumpiness)
    a_v = galaxy.extinction(lon, lat, distance, clumpiness)
    ra, dec = frames.galactic_to_icrs(lon, lat)
    magnitudes = photometry.apparent(track, mh, distance, a_v)
    return pd.DataFrame(
        {
            "has_rvs": not faint,
            "kind": np.array(evolution.KINDS, dtype=object)[kind],
            "population": np.array(galaxy.POPULATIONS, dtype=object)[population],
            "cluster": "",
            "ra": ra,
            "dec": dec,
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


def _add_details(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    """Add what follows from labels and place: iron, nitrogen, S/N, rotation, emission."""
    n = len(stars)
    teff, logg, mass = stars["teff"].to_numpy(), stars["logg"].to_numpy(), stars["mass"].to_numpy()
    track = evolution.Track(teff, logg, mass)
    stars["radius"] = track.radius
    stars["luminosity"] = 10**track.log_luminosity
    stars["l"], stars["b"] = frames.icrs_to_galactic(stars["ra"].to_numpy(), stars["dec"].to_numpy())
    stars["r_gal"], stars["z_gal"] = galaxy.galactocentric(
        stars["l"].to_numpy(), stars["b"].to_numpy(), stars["distance"].to_numpy()
    )
    # APOGEE's [M/H] tracks [Fe/H] (Sect. 3.3).
    stars["feh"] = stars["mh"] - 0.008 + rng.normal(0.0, 0.010, n)
    # The first dredge-up brings nitrogen up, the more the heavier the star.
    dredged = np.clip((3.4 - logg) / 0.4, 0.0, 1.0) * (teff < 6500.0)
    stars["nitrogen"] = dredged * np.clip(0.12 + 0.30 * (mass - 0.9), 0.05, 0.5) + rng.normal(0.0, 0.03, n)
    snr = photometry.snr_for_grvs(stars["grvs"].to_numpy(), stars["transits"].to_numpy())
    stars["snr"] = np.maximum(snr, np.where(stars["has_rvs"], LOWEST_SNR, 0.0))
    slow = 3.0 + 2.0 * rng.random(n) + np.where(logg < 2.0, 2.0, 0.0)
    warm = np.clip((teff - 6000.0) / 1500.0, 0.0, 1.0) * rng.lognormal(np.log(25.0), 0.6, n)
    hot = np.where(teff > 7500.0, rng.uniform(15.0, 230.0, n), 0.0)
    stars["vbroad"] = np.hypot(slow, np.where(teff > 7500.0, hot, warm))
    stars["emission"] = np.where(stars["kind"] == "emission-line star", rng.uniform(0.5, 1.5, n), 0.0)


def _add_companions(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    """Turn some main-sequence stars into unresolved binaries: brighter, and with blended spectra."""
    n = len(stars)
    chosen = pick(rng, (stars["kind"] == "dwarf").to_numpy(), max(3, round(BINARY_SHARE * n)))
    track = evolution.Track(*(stars[name].to_numpy() for name in ("teff", "logg", "mass")))
    companion, fraction = evolution.secondary(rng, track, stars["mh"].to_numpy())
    stars["companion_teff"] = np.where(chosen, companion.teff, 0.0)
    stars["companion_logg"] = np.where(chosen, companion.logg, 0.0)
    stars["companion_fraction"] = np.where(chosen, fraction, 0.0)
    stars["companion_velocity"] = np.where(chosen, rng.normal(0.0, 25.0, n), 0.0)
    stars["kind"] = np.where(chosen, "binary", stars["kind"])
    # The pair is brighter than the star for which the distance was drawn: it stands farther away.
    stars["distance"] = stars["distance"] / np.sqrt(1.0 - stars["companion_fraction"])
    stars["r_gal"], stars["z_gal"] = galaxy.galactocentric(
        stars["l"].to_numpy(), stars["b"].to_numpy(), stars["distance"].to_numpy()
    )


def _add_motions(rng: np.random.Generator, stars: pd.DataFrame, clusters: list[Cluster]) -> None:
    population = np.array([galaxy.POPULATIONS.index(name) for name in stars["population"]])
    place = (stars[name].to_numpy() for name in ("l", "b", "distance"))
    pmra, pmdec, radial_velocity = galaxy.observed_motion(rng, population, *place)
    for cluster in clusters:
        inside = (stars["cluster"] == cluster.name).to_numpy()
        scatter = rng.normal(0.0, 1.0, (3, len(stars)))
        pmra = np.where(inside, cluster.pmra + 0.10 * scatter[0], pmra)
        pmdec = np.where(inside, cluster.pmdec + 0.10 * scatter[1], pmdec)
        radial_velocity = np.where(inside, cluster.radial_velocity + 0.8 * scatter[2], radial_velocity)
    stars["pmra"], stars["pmdec"], stars["radial_velocity"] = pmra, pmdec, radial_velocity


def _add_source_ids(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    """Make identifiers as Gaia does: pixel, running number, seven bits for components."""
    pixels = healpix.pixels(stars["ra"].to_numpy(), stars["dec"].to_numpy(), healpix.SOURCE_LEVEL)
    running = rng.integers(1, 1 << (healpix.RUNNING_BITS - 7), len(stars))
    identifiers = (pixels << healpix.RUNNING_BITS) + (running << 7)
    while (repeated := pd.Series(identifiers).duplicated().to_numpy()).any():
        identifiers[repeated] += 1 << 7
    stars["source_id"] = identifiers
