"""The sky cut into ranges of HEALPix pixels."""

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.features import page_of, ranges, sky_parts
from catalog.features.ranges import cut_sky
from tests.features.sky import make_sky, store_sky


def test_neighbouring_pixels_are_joined_within_a_base_pixel() -> None:
    # Level 1: four pixels a base pixel.
    pixels, counts = np.array([0, 1, 3, 4, 5, 9, 47]), np.array([3, 3, 2, 9, 1, 1, 2])
    parts = [(part.first, part.last, n) for part, n in cut_sky(1, pixels, counts, 5)]
    assert parts == [(0, 1, 6), (3, 3, 2), (4, 4, 9), (5, 5, 1), (9, 9, 1), (47, 47, 2)]
    assert cut_sky(1, pixels[:0], counts[:0], 5) == []


def test_parts_hold_every_star_of_the_samples_once(
    connection: psycopg.Connection, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = make_sky(200, 50)
    sky.source_id[-1] = (12 << 59) - 1
    store_sky(connection, run, sky)
    connection.execute(
        "UPDATE production.sample_star SET role = 'rejected', cut = 'x' WHERE source_id = %s", (int(sky.source_id[5]),)
    )
    roles = ("training", "observed")
    parts = sky_parts(connection, run, roles, least=20)
    ids = np.delete(sky.source_id, 5)
    found = [ids[(ids > page.after) & (ids <= page.upto)] for page in (page_of(*part) for part in parts)]
    np.testing.assert_array_equal(np.concatenate(found), ids)
    assert [len(some) for some in found] == [n for _, n in parts]
    assert all(len(set(some >> 59)) == 1 for some in found)
    assert 5 < len(parts) <= 199 // 20 + 2 + 1
    # Bounds that pixels have, at one level.
    assert {part.level for part, _ in parts} == {3}
    [(_, n), *_] = sky_parts(connection, run, ("training",), least=1000)
    assert n > 50
    monkeypatch.setattr(ranges, "MOST_PARTS", 4)
    assert len(sky_parts(connection, run, roles, least=1)) <= 4 + 2
