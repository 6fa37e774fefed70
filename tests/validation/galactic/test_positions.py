"""Galactocentric positions of stars that can be placed by hand."""

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from catalog.errors import ConfigurationError
from catalog.validation.checks import load_checks
from catalog.validation.galactic import bins, galactocentric, galactocentric_frame

SUN = 8.19


def at(lon: float, lat: float, distance: float, **parameters: Any) -> tuple[float, float]:
    sky = SkyCoord(l=lon * u.deg, b=lat * u.deg, frame="galactic").icrs
    r, z = galactocentric(np.array([sky.ra.deg]), np.array([sky.dec.deg]), np.array([distance]), parameters)
    return float(r[0]), float(z[0])


@pytest.mark.parametrize(
    ("lon", "lat", "distance", "r", "z"),
    [
        (0, 0, 1e-9, SUN, 0.0208),  # the Sun
        (0, 0, 1.0, 7.19, 0.0208 * 7.19 / 8.19),  # towards the centre, down to the plane
        (0, 0, 10.0, 1.81, 0.0),  # beyond the centre
        (180, 0, 4.0, 12.19, 0.03),
        (90, 0, 3.0, 8.7222, 0.02),  # sqrt(8.19² + 3²)
        (0, 90, 2.0, SUN, 2.0208),
        (0, -90, 2.0, SUN, -1.9792),
        (0, 30, 4.0, 8.19 - 3.4641, 2.01),
    ],
)
def test_stars_lie_where_geometry_puts_them(lon: float, lat: float, distance: float, r: float, z: float) -> None:
    # The centre lies 0.07 degrees from l = b = 0.
    assert at(lon, lat, distance) == pytest.approx((r, z), abs=0.012)


def test_the_sun_is_in_the_plane_where_the_paper_puts_it() -> None:
    assert at(0, 0, 1e-9)[0] == pytest.approx(SUN, abs=1e-6)
    assert at(0, 0, 1e-9, sun_r=8.5, sun_z=0.0) == pytest.approx((8.5, 0.0), abs=1e-6)


def test_constants_are_those_of_the_paper() -> None:
    parameters = load_checks().parameters()
    assert [parameters[name] for name in ("sun_r", "lsr", "sun_motion")] == [8.19, 240.0, (11.1, 12.24, 7.25)]
    velocity = galactocentric_frame().galcen_v_sun.xyz.to_value(u.km / u.s)
    np.testing.assert_allclose(velocity, [11.1, 252.24, 7.25])


def test_a_star_without_distance_has_no_place_and_no_bin() -> None:
    r, z = galactocentric(np.array([10.0, 20.0]), np.array([5.0, 5.0]), np.array([np.nan, 1.0]))
    assert np.isnan(r[0])
    areas = bins([0, 100], [0, 100])
    assert areas[0].holds(r, z).tolist() == [False, True]


def test_bins_share_out_every_star_once() -> None:
    areas = bins([0, 4, 7, 9], [0, 0.5, 4])
    assert [area.name for area in areas[:4]] == [
        "R 0-4, |Z| 0-0.5", "R 4-7, |Z| 0-0.5", "R 7-9, |Z| 0-0.5", "R 0-4, |Z| 0.5-4",
    ]  # fmt: skip
    r, z = np.array([0.0, 3.999, 4.0, 8.2, 9.0, 8.0, 8.0]), np.array([0.0, -0.4, -0.5, 0.49, 0.0, -3.9, 4.0])
    inside = np.array([area.holds(r, z) for area in areas])
    assert inside.sum(axis=0).tolist() == [1, 1, 1, 1, 0, 1, 0]
    assert [int(np.argmax(column)) for column in inside.T[:4]] == [0, 0, 4, 2]


@pytest.mark.parametrize("edges", [[1.0], [0.0, 0.0], [4.0, 2.0], [-1.0, 2.0]])
def test_edges_that_do_not_increase_are_refused(edges: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="galactic_r_edges do not increase"):
        bins(edges, [0, 1])


def test_positions_agree_with_those_that_came_with_starhorse(real_data: Any) -> None:
    table = Table.read(next((real_data / "k2gap").glob("k2_galah_zinn2022_x_starhorse*.fits")))
    there = np.isfinite(np.ma.filled(table["dist50"], np.nan)) & np.isfinite(np.ma.filled(table["Rg"], np.nan))
    table = table[there]
    sky = SkyCoord(l=np.asarray(table["glon"]) * u.deg, b=np.asarray(table["glat"]) * u.deg, frame="galactic").icrs
    r, z = galactocentric(sky.ra.deg, sky.dec.deg, np.asarray(table["dist50"]))
    assert len(table) > 1000
    # Their Sun is 8.2 kpc from the centre.
    np.testing.assert_allclose(r, np.asarray(table["Rg"]), atol=0.05)
    np.testing.assert_allclose(z, np.asarray(table["Zg"]), atol=0.06)
