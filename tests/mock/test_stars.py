"""The stars of the synthetic sky: shares, sequences, chemistry and place."""

import numpy as np
import pandas as pd
import pytest

from catalog.mock import galaxy
from catalog.mock.observation import FLAWS
from catalog.mock.stars import draw_stars
from catalog.profiles.model import MockSettings
from catalog.sky import frames, healpix


@pytest.fixture(scope="module")
def sky() -> pd.DataFrame:
    stars = draw_stars(MockSettings(n_stars=3000, seed=5))
    return stars[stars["has_rvs"]]


def test_number_and_identifiers() -> None:
    stars = draw_stars(MockSettings(n_stars=120, seed=3))
    assert stars["has_rvs"].sum() == 120
    ids = stars["source_id"].to_numpy()
    assert (np.diff(ids) > 0).all()
    np.testing.assert_array_equal(
        ids >> 35, healpix.pixels(stars["ra"].to_numpy(), stars["dec"].to_numpy(), healpix.SOURCE_LEVEL)
    )
    assert (ids % 128 == 0).all()


def test_a_seed_is_a_sky() -> None:
    first, again = (draw_stars(MockSettings(n_stars=80, seed=1)) for _ in range(2))
    other = draw_stars(MockSettings(n_stars=80, seed=2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.array_equal(first["teff"], other["teff"])


def test_shares(sky: pd.DataFrame) -> None:
    assert 0.28 < (sky["snr"] < 25).mean() < 0.40  # a third of the spectra, Sect. 2.1
    assert sky["snr"].min() >= 15
    assert sky["g"].between(3, 15).all()
    assert 0.55 < (sky["logg"] < 3.5).mean() < 0.80
    assert (sky["mh"] < -1).sum() > 40
    # Brighter stars have better spectra.
    assert np.corrcoef(sky["g"], np.log10(sky["snr"]))[0, 1] < -0.7


def test_kiel_diagram(sky: pd.DataFrame) -> None:
    clump = sky[sky["kind"] == "red clump"]
    assert clump["logg"].median() == pytest.approx(2.4, abs=0.1)
    assert clump["logg"].std() < 0.15
    branch = sky[(sky["kind"] == "giant") & sky["logg"].between(2.0, 3.0)]
    rich, poor = branch[branch["mh"] > 0.0], branch[branch["mh"] < -0.6]
    assert poor["teff"].median() > rich["teff"].median() + 150
    assert (sky.loc[sky["kind"] == "M giant", "teff"] < 3850).all()
    assert (sky.loc[sky["kind"] == "hot star", "teff"] > 7400).all()
    assert (sky.loc[sky["kind"] == "M dwarf", "logg"] > 4.5).all()
    assert (sky.loc[sky["kind"] == "M dwarf", "distance"] < 0.3).all()


def test_bimodality_depends_on_place(sky: pd.DataFrame) -> None:
    disc = sky[sky["mh"].between(-0.6, -0.2) & (sky["cluster"] == "")]
    near, far = disc[disc["z_gal"].abs() < 0.3], disc[disc["z_gal"].abs() > 1.0]
    assert (far["alpham"] > 0.13).mean() > (near["alpham"] > 0.13).mean() + 0.2
    outside = disc[disc["r_gal"] > 10.0]
    inside = disc[disc["r_gal"] < 7.0]
    assert (inside["alpham"] > 0.13).mean() > (outside["alpham"] > 0.13).mean()
    # Two sequences with a gap between them.
    counts, _ = np.histogram(disc["alpham"], bins=[0.0, 0.08, 0.10, 0.13, 0.15, 0.30])
    assert counts[2] < 0.3 * min(counts[0], counts[4])
    field = sky[(sky["population"] == "thin disc") & (sky["cluster"] == "")]
    slope = np.polyfit(field["r_gal"], field["mh"], 1)[0]
    assert -0.09 < slope < -0.03


def test_clusters_share_distance_and_metals(sky: pd.DataFrame) -> None:
    members = sky[sky["cluster"] != ""].groupby("cluster")
    assert len(members) >= 6
    assert (members.size() >= 10).all()
    assert (members["feh"].std() < 0.05).all()
    assert (members["distance"].std() / members["distance"].mean() < 0.15).all()
    small = draw_stars(MockSettings(n_stars=400))
    assert set(small["cluster"]) > {""}


def test_coordinates() -> None:
    # Galactic centre and north pole in ICRS.
    ra, dec = frames.galactic_to_icrs(np.array([0.0, 0.0]), np.array([0.0, 90.0]))
    np.testing.assert_allclose([ra[0], dec[0]], [266.40499, -28.93617], atol=1e-4)
    np.testing.assert_allclose([ra[1], dec[1]], [192.85948, 27.12825], atol=1e-4)
    lon, lat = frames.icrs_to_galactic(np.array([132.846]), np.array([11.814]))  # M67
    np.testing.assert_allclose([lon[0], lat[0]], [215.69, 31.92], atol=0.05)
    r, z = galaxy.galactocentric(np.array([0.0, 180.0]), np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(r, [galaxy.SUN_R - 1, galaxy.SUN_R + 1])
    np.testing.assert_allclose(z, galaxy.SUN_Z)


def test_the_solar_circle_rotates() -> None:
    # Without dispersion there is no motion along the line of sight towards l = 0 but the Sun's own.
    n = 4000
    rng = np.random.default_rng(0)
    place = np.zeros(n), np.zeros(n), np.full(n, 0.5)
    _, _, velocity = galaxy.observed_motion(rng, np.zeros(n, dtype=int), *place)
    assert velocity.mean() == pytest.approx(-galaxy.SUN_MOTION[0], abs=2.5)


def test_flaws_are_disjoint_and_present(stars: pd.DataFrame) -> None:
    counts = stars["flaw"].value_counts()
    for name, (_, least) in FLAWS.items():
        assert counts[name] >= least, name
    assert not stars.loc[stars["flaw"] != "", "kind"].isin(["M giant", "hot star"]).any()


def test_parallaxes_scatter_by_their_errors(stars: pd.DataFrame) -> None:
    good = stars[(stars["flaw"] == "")]
    pull = (good["parallax"] - 1 / good["distance"] + 0.03) / good["parallax_error"]
    assert abs(pull.mean()) < 0.25
    assert 0.8 < pull.std() < 1.2
    assert good.loc[good["kind"] == "binary", "ruwe"].max() > 1.4
