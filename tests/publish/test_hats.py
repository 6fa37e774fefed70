"""HEALPix pixels, how they are divided, and that a margin misses no star."""

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest

from catalog.publish.export import TABLES
from catalog.publish.formats import Facts
from catalog.publish.formats.hats.collection import MARGIN, HatsCollection
from catalog.publish.formats.hats.leaves import choose_pixels
from catalog.sky.healpix import pixels
from tests.publish.awkward import blocks_of, publish_awkward

# Positions and their pixels of orders 29 and 5, as cdshealpix 0.9 gives them.
# A corner belongs to any of its pixels: there are none.
KNOWN = {
    (180, 90): (864691128455135231, 3071),
    (10, -90): (2305843009213693952, 8192),
    (266.4168, -29.0078): (2028740913184819897, 7207),
    (83.633, 22.0145): (1701909093118121710, 6046),
    (12.3, 89.99999): (288230376151706448, 1023),
    (359.9999999999, 41.8103148957786): (960767920505705813, 3413),
    (201.3, -41.8103148957787): (3068474884328346985, 10901),
    (123.456, -89.9999999): (2594073385365405696, 9216),
}


def test_pixels_are_those_of_the_library():
    ra, dec = np.array(list(KNOWN), dtype=float).T
    assert list(zip(pixels(ra, dec).tolist(), pixels(ra, dec, 5).tolist(), strict=True)) == list(KNOWN.values())


def test_longitude_a_hair_below_zero_is_on_the_sky():
    assert (pixels(np.array([-1e-16, 360.0, 0.0]), np.array([1.0, 1.0, 1.0])) >= 0).all()


def test_pixels_are_divided_until_they_are_small_enough():
    counts = np.zeros(12 * 4**3, dtype=int)
    counts[:64] = 10
    counts[64] = 500
    counts[200] = 3
    assert choose_pixels(counts, 3, 1000) == [(0, 0), (0, 1), (0, 3)]
    chosen = choose_pixels(counts, 3, 200)
    assert chosen == [(1, 0), (1, 1), (1, 2), (1, 3), (3, 64), (0, 3)]


@pytest.fixture(scope="module")
def dense(module_database_url):
    """Stars so near each other that margins are full: rows of one pixel's corner, at four corners of base pixels."""
    with psycopg.connect(module_database_url) as connection:
        publish_awkward(connection, 1500, dense=True)
        yield connection


@pytest.mark.parametrize(("ra", "dec"), [(45.0, 0.0), (0.0, 41.81), (90.0, 89.9), (123.0, -60.0)])
def test_margins_hold_every_near_star(dense, tmp_path, ra, dec):
    info = TABLES["rvs_cnn_extended"]
    (rows, nulls), *rest = blocks_of(dense, info.name, 10_000)
    assert not rest
    rng = np.random.default_rng(5)
    rows["ra"] = (ra + rng.uniform(-0.2, 0.2, len(rows)) / np.cos(np.radians(dec))) % 360
    rows["dec"] = np.clip(dec + rng.uniform(-0.2, 0.2, len(rows)), -90, 90)
    writer = HatsCollection(
        tmp_path / "hats", info, Facts("dense", 1, 1, len(rows), "0" * 64, "2026-01-01T00:00", "rvscat"), 300
    )
    writer.measure(rows, nulls)
    writer.write(rows[:700], {name: null[:700] for name, null in nulls.items()})
    writer.write(rows[700:], {name: null[700:] for name, null in nulls.items()})
    writer.close()
    primary = read(tmp_path / "hats" / info.name)
    margin = read(tmp_path / "hats" / f"{info.name}_margin_10arcs")
    assert sum(map(len, primary.values())) == len(rows)
    assert len(primary) > 3
    lon, lat = np.radians(rows["ra"]), np.radians(rows["dec"])
    vectors = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    ids = rows["source_id"]
    near = vectors @ vectors.T > np.cos(np.radians(MARGIN / 3600))
    n_missed = n_across = 0
    for pixel_, inside in primary.items():
        own = np.isin(ids, list(inside))
        # Neighbours of the pixel's stars that lie in other pixels.
        wanted = set(ids[near[own].any(axis=0) & ~own].tolist())
        n_across += len(wanted)
        n_missed += len(wanted - margin.get(pixel_, set()))
        assert not margin.get(pixel_, set()) & inside
    assert n_missed == 0
    assert n_across > 0


def read(folder):
    """Return the stars of each leaf file by its path."""
    return {
        str(path.relative_to(folder)): set(pq.read_table(path, columns=["source_id"])["source_id"].to_pylist())
        for path in folder.glob("dataset/*/*/*.parquet")
        if (path.name.startswith("Npix"))
    }
