"""A published catalogue of stars whose values only come back when every bit does, with nulls wherever they may be."""

from pathlib import Path

import numpy as np
import psycopg
from psycopg import sql

from catalog.database.ledger import open_run
from catalog.metadata.columns import RVS_CNN, RVS_CNN_EXTENDED, TableInfo
from catalog.profiles import load_profile
from catalog.publish.export import TABLES
from catalog.publish.publications import content_sha256
from catalog.publish.rows import stream_rows
from catalog.publish.tables import create_tables, switch_views, table_name
from catalog.publish.tap_schema import write_tap_schema

SINGLES = [-0.0, 1e-45, -1.1754942e-38, 3.4028235e38, 1.1754944e-38, 16777216.0, 0.1, 1.0000001, -5e-5, 123456.79]
DOUBLES = [-0.0, 5e-324, -2.2250738585072009e-308, 1.7976931348623157e308, 0.1, 1 / 3, 9007199254740993.0, 1e22]
TEXTS = ["2M00000002+7417074", 'a "quoted", one', "semi;colon\\back'slash", "x" * 32, "<&>%s{}", "NULL", "0", "-"]


def rows_of(connection: psycopg.Connection, info: TableInfo, version: int = 1) -> list[tuple]:
    """Return the rows of a version as the database has them, floats in double precision."""
    names = sql.SQL(", ").join(map(sql.Identifier, info.column_names))
    query = sql.SQL("SELECT {} FROM {} ORDER BY CAST(sourceid AS bigint)").format(names, table_name(info, version))
    return connection.execute(query, binary=True).fetchall()


def publish_awkward(connection: psycopg.Connection, n: int = 300, dense: bool = False) -> None:
    """Publish version 1 with `n` stars; `dense` puts them near each other."""
    rng = np.random.default_rng(7)
    run = open_run(connection, load_profile("tiny"))
    create_tables(connection, 1)
    # From a few digits to nineteen: text must not be sorted as text.
    ids = np.sort(rng.choice(np.unique((10 ** rng.uniform(4, 18.96, 2 * n)).astype(np.int64)), n, replace=False))
    names = RVS_CNN_EXTENDED.column_names
    rows = []
    for i, source_id in enumerate(ids.tolist()):
        row = {column.name: _value(column, i, j, rng) for j, column in enumerate(RVS_CNN_EXTENDED.columns)}
        row |= {"source_id": source_id, "sourceid": str(source_id), "release": "dr3-mock", "role": "observed"}
        row |= {"ra": float(rng.uniform(0, 360)), "dec": float(np.degrees(np.arcsin(rng.uniform(-1, 1))))}
        if dense:
            row |= {"ra": float(rng.uniform(44.5, 45.5)), "dec": float(rng.uniform(-0.5, 0.5))}
        row |= {"flag_boundary": f"{i % 256:08b}", "ensemble": "0123456789abcdef" * 4, "run_id": run.run_id}
        rows.append(tuple(row[name] for name in names))
    for info, values in ((RVS_CNN_EXTENDED, rows), (RVS_CNN, None)):
        columns = sql.SQL(", ").join(map(sql.Identifier, info.column_names))
        if values is None:
            connection.execute(
                sql.SQL("INSERT INTO {} SELECT {} FROM {}").format(
                    table_name(info, 1), columns, table_name(RVS_CNN_EXTENDED, 1)
                )
            )
            continue
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(table_name(info, 1), columns)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for each in values:
                copy.write_row(each)
    connection.execute(
        "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) VALUES (1, %s, %s, %s, true)",
        (run.run_id, n, content_sha256(connection, 1)),
    )
    switch_views(connection, 1)
    write_tap_schema(connection)
    connection.commit()


def _value(column, i: int, j: int, rng):
    # In turn: nulls, awkward values, ordinary ones.
    if column.nullable and (i + j) % 5 == 0:
        return None
    if column.datatype == "char":
        return TEXTS[i % len(TEXTS)]
    if column.datatype in ("float", "double"):
        values = SINGLES if column.datatype == "float" else DOUBLES
        if (i + j) % 3:
            value = float(rng.normal(0, 1) * 10.0 ** rng.integers(-4, 5))
            return float(np.float32(value)) if column.datatype == "float" else value
        return values[(i + j) // 3 % len(values)]
    return int(rng.choice([-32767, 32767, 0, 1, 7]))


def blocks_of(connection: psycopg.Connection, name: str, block: int):
    """Return the blocks of a table as they are streamed."""
    info = TABLES[name]
    names = sql.SQL(", ").join(map(sql.Identifier, info.column_names))
    select = sql.SQL("SELECT {} FROM {} ORDER BY CAST(sourceid AS bigint)").format(names, table_name(info, 1))
    return list(stream_rows(connection, select, info, block))


def compare(table, info: TableInfo, rows: list[tuple], folder: Path | str = "") -> None:
    """Compare columns by name (lists with None for null) with rows of the database: whole numbers, text and bits."""
    for at, column in enumerate(info.columns):
        expected = [row[at] for row in rows]
        found = [value.decode() if isinstance(value, bytes) else value for value in table(column.name)]
        assert len(found) == len(expected), (folder, column.name)
        assert [value is None for value in found] == [value is None for value in expected], (folder, column.name)
        if column.datatype in ("float", "double"):
            kind = "<f4" if column.datatype == "float" else "<f8"
            found, expected = (np.array([v for v in values if v is not None], kind) for values in (found, expected))
            assert found.tobytes() == expected.tobytes(), (folder, column.name)
        else:
            assert found == expected, (folder, column.name)
