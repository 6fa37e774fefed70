"""Binary COPY in and out, against PostgreSQL's own view of the rows."""

import numpy as np
import psycopg
import pytest

from catalog.database.copy_in import copy_in
from catalog.database.copy_out import stream_arrays
from catalog.errors import DatabaseError

TABLE = """
CREATE TABLE public.probe (
    source_id bigint, small smallint, whole integer, g real, ra double precision, flag boolean,
    name text, note varchar(20), code char(8), flux bytea, raw bytea, settings jsonb
)
"""


@pytest.fixture
def probe(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(TABLE)
    return connection


def test_every_type_arrives_as_it_was_sent(probe: psycopg.Connection) -> None:
    flux = np.arange(12, dtype=np.float32).reshape(3, 4)
    copied = copy_in(
        probe,
        "public.probe",
        {
            "source_id": np.array([1, 2**62, 3]),
            "small": np.array([-3, 0, 32767], dtype=np.int16),
            "whole": np.array([7.0, 8.0, -9.0]),
            "g": np.array([1.5, -2.25, 1e30], dtype=np.float32),
            "ra": np.array([0.1, 359.999999999, -0.0]),
            "flag": np.array([True, False, True]),
            "name": ["α Cen", "", "x" * 300],
            "note": np.array(["a", "b", "c"], dtype=object),
            "code": ["00000000", "10000001", "11111111"],
            "flux": flux,
            "raw": [b"\x00\xff", b"", b"abc"],
            "settings": ['{"a": 1}', "[]", "null"],
        },
    )
    assert copied == 3
    rows = probe.execute("SELECT * FROM probe ORDER BY array_position(ARRAY[1, 2::bigint^62, 3], source_id)").fetchall()
    assert [row[0] for row in rows] == [1, 2**62, 3]
    assert [row[1] for row in rows] == [-3, 0, 32767]
    assert [row[2] for row in rows] == [7, 8, -9]
    assert [np.float32(row[3]) for row in rows] == [np.float32(1.5), np.float32(-2.25), np.float32(1e30)]
    assert [row[4] for row in rows] == [0.1, 359.999999999, 0.0]
    assert [row[5] for row in rows] == [True, False, True]
    assert [row[6] for row in rows] == ["α Cen", "", "x" * 300]
    assert [row[8] for row in rows] == ["00000000", "10000001", "11111111"]
    assert [row[9] for row in rows] == [flux[i].tobytes() for i in range(3)]
    assert [row[10] for row in rows] == [b"\x00\xff", b"", b"abc"]
    assert [row[11] for row in rows] == [{"a": 1}, [], None]


def test_nulls_of_every_kind(probe: psycopg.Connection) -> None:
    copy_in(
        probe,
        "public.probe",
        {
            "source_id": np.ma.array([1, 2, 3], mask=[False, True, False]),
            "g": np.array([1.0, np.nan, 2.0]),
            "flag": np.array([True, None, False], dtype=object),
            "name": ["a", None, "c"],
            "flux": np.ma.array(np.ones((3, 2)), mask=[[False] * 2, [True] * 2, [False] * 2]),
            "raw": [None, b"x", None],
        },
    )
    rows = probe.execute("SELECT source_id, g, flag, name, flux IS NULL, raw IS NULL, ra FROM probe").fetchall()
    assert rows == [
        (1, 1.0, True, "a", False, True, None),
        (None, None, None, None, True, False, None),
        (3, 2.0, False, "c", False, True, None),
    ]


def test_many_batches_keep_their_order(probe: psycopg.Connection) -> None:
    n = 70_001
    ids = np.random.default_rng(1).permutation(n)
    copy_in(probe, "public.probe", {"source_id": ids, "name": [str(i) for i in ids], "g": ids.astype(np.float32)})
    row = probe.execute(
        "SELECT count(*), count(*) FILTER (WHERE name::bigint = source_id AND g = source_id) FROM probe"
    )
    assert row.fetchone() == (n, n)


def test_no_rows_is_no_error(probe: psycopg.Connection) -> None:
    assert copy_in(probe, "public.probe", {"source_id": np.array([], dtype=np.int64), "name": []}) == 0


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"source_id": np.array([1]), "name": ["a", "b"]}, ValueError, "differ in length"),
        ({"small": np.array([40_000])}, ValueError, "does not fit int2"),
        ({"whole": np.array([1.5])}, ValueError, "whole numbers"),
        ({"name": ["a\x00b"]}, ValueError, "null character"),
        ({"no_such_column": np.array([1])}, DatabaseError, "no_such_column"),
    ],
)
def test_what_a_column_cannot_hold_is_refused(
    probe: psycopg.Connection, columns: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        copy_in(probe, "public.probe", columns)


def test_missing_table_is_named(connection: psycopg.Connection) -> None:
    with pytest.raises(DatabaseError, match=r"survey\.nothing"):
        copy_in(connection, "survey.nothing", {"a": np.array([1])})


def test_arrays_come_back_bit_for_bit(probe: psycopg.Connection) -> None:
    rng = np.random.default_rng(2)
    n = 1000
    flux = rng.normal(size=(n, 17)).astype(np.float32)
    flux[3, 4] = np.nan
    ids = rng.permutation(n).astype(np.int64)
    ra = rng.uniform(0, 360, n)
    copy_in(probe, "public.probe", {"source_id": ids, "ra": ra, "flux": flux})
    blocks = list(
        stream_arrays(
            probe,
            "SELECT source_id, ra, flux FROM public.probe "
            "WHERE source_id >= %(least)s AND 'a%%b' LIKE 'a%%' ORDER BY source_id",
            {"least": 100},
            {"source_id": ("int8", None), "ra": ("float8", None), "flux": ("float4_bytes", 17)},
            chunk=256,
        )
    )
    assert [len(block["source_id"]) for block in blocks] == [256, 256, 256, 132]
    order = np.argsort(ids)[100:]
    np.testing.assert_array_equal(np.concatenate([block["source_id"] for block in blocks]), ids[order])
    np.testing.assert_array_equal(np.concatenate([block["ra"] for block in blocks]), ra[order])
    got = np.concatenate([block["flux"] for block in blocks])
    assert got.tobytes() == flux[order].tobytes()
    assert got.dtype == np.dtype("=f4")


def test_empty_result_yields_nothing(probe: psycopg.Connection) -> None:
    assert list(stream_arrays(probe, "SELECT source_id FROM probe", None, {"source_id": ("int8", None)})) == []


@pytest.mark.parametrize("raw", [b"\x00" * 8, None])
def test_null_or_other_length_is_an_error(probe: psycopg.Connection, raw: bytes | None) -> None:
    copy_in(probe, "public.probe", {"source_id": np.arange(3), "raw": [b"\x00" * 12, raw, b"\x00" * 12]})
    with pytest.raises(DatabaseError, match="another length"):
        list(
            stream_arrays(
                probe,
                "SELECT source_id, raw FROM probe",
                None,
                {"source_id": ("int8", None), "raw": ("float4_bytes", 3)},
            )
        )
