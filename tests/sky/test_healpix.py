"""Pixels of published source identifiers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from catalog.sky import healpix


@pytest.mark.parametrize(
    ("ra", "dec", "source_id"),
    [
        (253.45840143189537, -55.54049891247545, 5929246508730155392),
        (286.8085269791958, 49.31642128806585, 2131314401800665344),
        (207.37506367606264, 38.32393430972204, 1496482535683660800),
        (251.51920772923995, -51.50535255488219, 5937083312263887616),
        (45.176533, 0.260830, 10655814178816),
    ],
)
def test_published_identifiers(ra: float, dec: float, source_id: int) -> None:
    assert healpix.pixels(np.array([ra]), np.array([dec]), healpix.SOURCE_LEVEL)[0] == source_id >> healpix.RUNNING_BITS


def test_levels_nest_and_pixels_have_equal_areas() -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 120_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 120_000)))
    fine = healpix.pixels(ra, dec, healpix.SOURCE_LEVEL)
    for level in (0, 3, 8):
        np.testing.assert_array_equal(healpix.pixels(ra, dec, level), fine >> 2 * (healpix.SOURCE_LEVEL - level))
    counts = np.bincount(healpix.pixels(ra, dec, 1), minlength=48)
    assert counts.size == 48
    assert np.abs(counts - 2500).max() < 5 * np.sqrt(2500)


def test_poles_and_wrap() -> None:
    ra, dec = np.array([0.0, 359.999999, 0.0, 90.0, 12.0]), np.array([90.0, 0.0, -90.0, -90.0, 41.8103149])
    pixels = healpix.pixels(ra, dec, healpix.SOURCE_LEVEL)
    assert ((pixels >= 0) & (pixels < healpix.n_pixels(healpix.SOURCE_LEVEL))).all()
    around = [healpix.pixels(np.array([ra]), np.array([5.0])) for ra in (-10.0, 350.0)]
    np.testing.assert_array_equal(*around)


def test_real_files(real_data: Path) -> None:
    apogee = Table.read(real_data / "apogee" / "allstarlite_dr17_x_montalban2021_95rows.fits", hdu=1)
    ids = np.asarray(apogee["GAIAEDR3_SOURCE_ID"])
    pixels = healpix.pixels(np.asarray(apogee["RA"]), np.asarray(apogee["DEC"]), healpix.SOURCE_LEVEL)
    np.testing.assert_array_equal(pixels, ids >> healpix.RUNNING_BITS)
    # Positions rounded to 0.001 degrees still lie in the right large pixel.
    k2 = pd.read_csv(real_data / "k2gap" / "apo_k2_catalog_7672rows.csv")
    level = 7
    expected = k2["gaia_source"].to_numpy() >> (healpix.RUNNING_BITS + 2 * (healpix.SOURCE_LEVEL - level))
    assert (healpix.pixels(k2["ra"].to_numpy(), k2["dec"].to_numpy(), level) == expected).mean() > 0.998
    members = sorted((real_data / "clusters" / "cantatgaudin2020_members").glob("*.txt"))
    assert members
    for path in members:
        table = Table.read(path, format="ascii.commented_header")
        ra, dec = (np.asarray(table[f"{name}_ICRS_1"], dtype=float) for name in ("RA", "DE"))
        expected = np.asarray(table["source_id"]) >> (healpix.RUNNING_BITS + 2 * (healpix.SOURCE_LEVEL - level))
        # Identifiers of DR2, whose positions may have moved by a little.
        assert (healpix.pixels(ra, dec, level) == expected).mean() > 0.99
