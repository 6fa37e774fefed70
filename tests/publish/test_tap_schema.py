"""What can be queried is described, and who may read it."""

import psycopg
import pytest

from catalog.metadata.columns import PUBLISHED_TABLES
from catalog.metadata.tap_schema import TAP_TABLES
from catalog.publish.stage import publish_catalogue
from tests.publish.described import columns_of


def test_tap_schema_describes_what_can_be_queried(connection, published):
    rows = connection.execute(
        "SELECT t.schema_name, t.table_name, t.table_type, c.column_name FROM tap_schema.tables t "
        "JOIN tap_schema.columns c USING (table_name) ORDER BY t.table_index, c.column_index"
    ).fetchall()
    assert {row[0] for row in rows} == {"catalogue", "tap_schema"}
    assert {row[1] for row in rows if row[2] == "view"} == {info.qualified_name for info in PUBLISHED_TABLES}
    assert {row[1] for row in rows if row[2] == "table"} == {info.qualified_name for info in TAP_TABLES}
    for _, table, _, column in rows:
        # Names stand there as queries write them.
        connection.execute(f"SELECT {column} FROM {table} LIMIT 1")
    # Nothing that can be queried is left out.
    for info in (*PUBLISHED_TABLES, *TAP_TABLES):
        described = [row[3].strip('"') for row in rows if row[1] == info.qualified_name]
        assert described == [row[0] for row in columns_of(connection, info.qualified_name)]


def test_keys_join(connection, published):
    rows = connection.execute(
        "SELECT k.from_table, k.target_table, c.from_column, c.target_column FROM tap_schema.keys k "
        "JOIN tap_schema.key_columns c USING (key_id)"
    ).fetchall()
    assert ("catalogue.rvs_cnn", "catalogue.rvs_cnn_extended", "sourceid", "sourceid") in rows
    for source, target, from_column, target_column in rows:
        (lost,) = connection.execute(
            f"SELECT count(*) FROM {source} a LEFT JOIN {target} b ON a.{from_column} = b.{target_column} "
            f"WHERE b.{target_column} IS NULL"
        ).fetchone()
        assert lost == 0, source


def test_other_schemas_of_tap_schema_stay(connection, run, settings, seed_run):
    connection.execute("INSERT INTO tap_schema.schemas (schema_name) VALUES ('guests')")
    seed_run(run)
    publish_catalogue(connection, run, settings)
    rows = connection.execute("SELECT schema_name FROM tap_schema.schemas ORDER BY 1").fetchall()
    assert rows == [("catalogue",), ("guests",), ("tap_schema",)]


def test_reader_reads_what_is_published_and_nothing_else(connection, published):
    connection.commit()
    connection.execute("SET ROLE rvscat_reader")
    for info in (*PUBLISHED_TABLES, *TAP_TABLES):
        assert connection.execute(f"SELECT count(*) FROM {info.qualified_name}").fetchone()[0] > 0
    assert connection.execute("SELECT count(*) FROM catalogue.rvs_cnn_v1").fetchone() == (200,)
    connection.commit()
    for statement in (
        "SELECT * FROM production.label",
        "SELECT * FROM survey.gaia_source",
        "DELETE FROM catalogue.rvs_cnn",
        "UPDATE catalogue.rvs_cnn_v1 SET teff = 0",
        "INSERT INTO tap_schema.schemas (schema_name) VALUES ('x')",
        "CREATE TABLE catalogue.mine (i integer)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        connection.rollback()
        connection.execute("SET ROLE rvscat_reader")
    connection.execute("RESET ROLE")
    connection.commit()
