"""SQL files: found by name, translated for psycopg, documented."""

from pathlib import Path

import psycopg
import pytest

from catalog.database import queries
from catalog.errors import NotFoundError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(queries, "SQL", tmp_path)
    queries.load.cache_clear()
    yield tmp_path
    queries.load.cache_clear()


def test_psql_variables_become_bound_parameters(folder: Path, connection: psycopg.Connection) -> None:
    (folder / "probe.sql").write_text(
        "-- Purpose: say what came in,\n--   over two lines: with a colon.\n-- Parameters: number (int) n\n"
        "SELECT :number::int AS n, :'word' AS w, 'it''s :not' AS s, 7 % 4 AS m, -- :nor this\n"
        "       '100%' AS p, (ARRAY[1,2,3])[1:2] AS a;\n"
    )
    query = queries.load("probe")
    assert query.purpose == "say what came in, over two lines: with a colon."
    assert query.parameters == ("number", "word")
    hostile = "'; DROP TABLE production.run; --"
    row = connection.execute(query.statement, {"number": 5, "word": hostile}).fetchone()
    assert row == (5, hostile, "it's :not", 3, "100%", [1, 2])


def test_missing_query_is_named(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing/here"):
        queries.load("nothing/here")


def test_every_query_says_what_it_is_for() -> None:
    names = queries.names()
    assert names
    silent = [name for name in names if not queries.load(name).purpose]
    assert silent == []


def test_frames_keep_nulls_and_names(connection: psycopg.Connection) -> None:
    frame = queries.fetch_frame(
        connection, "SELECT 1::bigint AS a, NULL::real AS b, 'x' AS c WHERE %(yes)s", {"yes": True}
    )
    assert list(frame.columns) == ["a", "b", "c"]
    assert frame.a[0] == 1
    assert frame.b.isna().all()
    empty = queries.fetch_frame(connection, "SELECT 1 AS a WHERE false")
    assert list(empty.columns) == ["a"]
    assert len(empty) == 0
