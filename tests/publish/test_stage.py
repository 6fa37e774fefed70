"""Publishing a run: tables, views, TAP_SCHEMA, rights, and what happens the second time."""

import hashlib
import io
import warnings

import numpy as np
import psycopg
import pytest
from astropy import units
from astropy.io.votable import parse_single_table
from astropy.units import UnitsWarning

from catalog.database.connection import connect
from catalog.database.ledger import open_run
from catalog.errors import NotFoundError, SampleError
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.metadata.columns import BOUNDARY_LIMITS, FLAG_BOUNDARY_DECODED, PUBLISHED_TABLES, RVS_CNN, RVS_CNN_EXTENDED
from catalog.metadata.tap_schema import TAP_TABLES
from catalog.publish.publications import find_publication, list_publications
from catalog.publish.stage import publish_catalogue
from catalog.service.query import run_query
from catalog.service.writers import write


@pytest.fixture
def profile(profile):
    """Publication alone: files have tests of their own."""
    return profile.model_copy(update={"publish": profile.publish.model_copy(update={"exports": ("csv",)})})


@pytest.fixture
def published(connection, run, settings, seed_run):
    stars = seed_run(run)
    return stars, publish_catalogue(connection, run, settings)


def columns_of(connection, table):
    return connection.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum) "
        "FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum",
        (table,),
    ).fetchall()


def test_rows_are_those_of_the_run(connection, run, settings, published):
    stars, result = published
    query = "SELECT * FROM catalogue.rvs_cnn ORDER BY sourceid::bigint"
    # Binary: text would show rounded digits of each float.
    assert connection.execute(query, binary=True).fetchall() == stars.rows()
    assert (result.counts["rows"], result.counts["version"], result.counts["new"]) == (200, 1, 1)
    assert list_publications(connection)[0].run_id == run.run_id


@pytest.mark.parametrize("info", [RVS_CNN, RVS_CNN_EXTENDED, BOUNDARY_LIMITS], ids=lambda info: info.name)
def test_tables_follow_the_metadata(connection, published, info):
    expected = [
        (
            column.name,
            column.sql_type.replace("varchar", "character varying").replace("char(", "character(")
            if column.sql_type.startswith("char(")
            else column.sql_type.replace("varchar", "character varying"),
            not column.nullable,
            f"{column.description} [{column.unit}]" if column.unit else column.description,
        )
        for column in info.columns
    ]
    assert columns_of(connection, f"{info.qualified_name}_v1") == expected
    # Views carry names, types and comments too.
    view = columns_of(connection, info.qualified_name)
    assert [(row[0], row[1], row[3]) for row in view] == [(row[0], row[1], row[3]) for row in expected]
    (comment,) = connection.execute("SELECT obj_description(%s::regclass)", (info.qualified_name,)).fetchone()
    assert comment == info.description


def test_extended_rows_lead_back_to_where_they_come_from(connection, run, published):
    stars, _ = published
    first, last = (int(stars.source_id[i]) for i in (0, -1))
    distances = "tsne_distance_30, tsne_distance_50, tsne_distance_100"
    names = f"source_id, sourceid, role, apogee_id, ruwe, {distances}, run_id, n_members, ensemble"
    rows = connection.execute(
        f"SELECT {names} FROM catalogue.rvs_cnn_extended WHERE source_id IN (%s, %s) ORDER BY source_id",
        (first, last),
    ).fetchall()
    key = str(run.run_id).rjust(64, "e")
    assert rows[0] == (first, str(first), "training", "2M00000000+0000000", None, 0.0, None, 0.0, run.run_id, 4, key)
    assert rows[1][:4] == (last, str(last), "observed", None)
    assert rows[1][5] == pytest.approx(199 / 30)


def test_calibrated_sigmas_are_published_where_there_are_any(connection, settings, published):
    stars, _ = published
    names = [f"sigma_{label.name}_oof" for label in LABELS]
    rows = connection.execute(
        f"SELECT {', '.join(names)} FROM catalogue.rvs_cnn_extended ORDER BY source_id", binary=True
    ).fetchall()
    assert rows[-1] == (None,) * 5
    for i, label in enumerate(LABELS):
        found = np.array([row[i] for row in rows[:-1]], dtype=np.float32)
        np.testing.assert_allclose(found, stars.labels[f"sigma_{label.name}"][:-1] * 1.25, rtol=1e-6)
    # rvs_cnn stays as the paper's Table 2 has it.
    assert len(columns_of(connection, "catalogue.rvs_cnn")) == 17
    described = dict(
        connection.execute(
            "SELECT column_name, unit || ' | ' || ucd FROM tap_schema.columns "
            "WHERE table_name = 'catalogue.rvs_cnn_extended' AND column_name LIKE '%_oof'"
        ).fetchall()
    )
    assert described["sigma_teff_oof"] == "K | stat.error;phys.temperature.effective"
    assert sorted(described) == sorted(names)
    # Answers to queries carry that into files.
    connection.commit()
    with connect(settings, role="rvscat_reader") as reader:
        query = "SELECT sourceid, sigma_teff_oof, sigma_mh_oof FROM rvs_cnn_extended ORDER BY source_id"
        result = run_query(reader, query)
    stream = io.StringIO()
    write(result, "votable", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)
        table = parse_single_table(io.BytesIO(stream.getvalue().encode())).to_table()
    assert table["sigma_teff_oof"].unit == units.K
    assert table["sigma_teff_oof"][0] == pytest.approx(stars.labels["sigma_teff"][0] * 1.25, rel=1e-6)
    last = table["sigma_mh_oof"][-1]
    assert last is np.ma.masked or np.isnan(last)


def test_decoded_flag(connection, published):
    stars, _ = published
    rows = connection.execute("SELECT * FROM catalogue.flag_boundary_decoded ORDER BY source_id").fetchall()
    for row, source_id, flag in zip(rows, stars.source_id.tolist(), stars.flags, strict=True):
        assert row == (source_id, flag, *(int(digit) for digit in flag), flag.count("1"))
    assert [column.name for column in FLAG_BOUNDARY_DECODED.columns[2:10]] == [
        "teff_outside",
        "logg_outside",
        "mh_outside",
        "alpham_outside",
        "feh_outside",
        "g_outside",
        "parallax_outside",
        "tsne_unlike",
    ]
    assert len(FLAG_DIGITS) == 8


def test_flag_in_words(connection, published):
    stars, _ = published
    rows = connection.execute(
        "SELECT source_id, digit, quantity, outside, value, lower, upper, words "
        "FROM catalogue.flag_boundary_explained ORDER BY source_id, digit"
    ).fetchall()
    assert len(rows) == 8 * len(stars.flags)
    for i, (source_id, digit, quantity, outside, *_, words) in enumerate(rows):
        assert source_id == stars.source_id[i // 8]
        assert digit == i % 8 + 1
        assert quantity == FLAG_DIGITS[i % 8].name
        assert outside == int(stars.flags[i // 8][i % 8])
        assert words
    g = next(row for row in rows if row[2] == "g" and not row[3])
    assert g[5:7] == (9.0, 14.0)
    assert g[7] == f"G {g[4]:.2f} mag lies within the training sample's 9.00 to 14.00 mag"
    tsne = next(row for row in rows[8 * 20 :] if row[2] == "tsne" and row[3])
    assert tsne[7].startswith("the RVS spectrum is unlike those of the training sample: in a t-SNE map the nearest")


def test_limits_are_published_with_the_version(connection, run, settings, published):
    rows = {row[0]: row[1:] for row in connection.execute("SELECT * FROM catalogue.boundary_limits")}
    assert rows["teff"] == (1, -1.0, 1.0, "quantile", pytest.approx(0.001), 10)
    assert rows["tsne_distance_30"] == (8, 0.0, 2.0, "quantile", pytest.approx(0.99), 10)
    assert rows["pca_distance"] == (None, 0.0, 0.5, "quantile", pytest.approx(0.99), 10)
    assert len(rows) == 10
    # A later change of the run does not reach what is published.
    connection.execute("UPDATE production.boundary_limit SET upper = 7 WHERE quantity = 'teff'")
    assert connection.execute("SELECT upper FROM catalogue.boundary_limits WHERE quantity = 'teff'").fetchone() == (
        1.0,
    )


def test_likeness_is_published_whatever_the_perplexities(connection, published):
    rows = connection.execute(
        "SELECT tsne_distance_30, tsne_distance_50, tsne_ratio, pca_distance, pca_quantile, pca_outside "
        "FROM catalogue.rvs_cnn_extended ORDER BY source_id"
    ).fetchall()
    assert rows[60][:3] == (2.0, None, 1.0)
    assert rows[0][3:] == (None, None, None)
    assert rows[150][3:] == (pytest.approx(0.75), pytest.approx(0.75), 1)
    assert rows[50][5] == 0


def test_cones_use_the_index(connection, published):
    connection.execute("SET enable_seqscan = off")
    plan = connection.execute(
        "EXPLAIN SELECT source_id FROM catalogue.rvs_cnn_extended "
        'WHERE point(ra, "dec") <@ box(point(10, 10), point(12, 12))'
    ).fetchall()
    assert any("Index" in line and "point" in line for (line,) in plan)


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


def test_same_content_keeps_its_version(connection, run, settings, published):
    _, first = published
    again = publish_catalogue(connection, run, settings)
    assert again.counts["version"] == 1
    assert again.counts["new"] == 0
    assert again.counts["sha256"] == first.counts["sha256"]
    assert "published before as version 1" in again.notes[0]
    assert connection.execute("SELECT to_regclass('catalogue.rvs_cnn_v2')").fetchone() == (None,)


def test_new_content_is_a_new_version_and_the_old_one_stays(connection, run, settings, published):
    stars, first = published
    old = connection.execute("SELECT * FROM catalogue.rvs_cnn_v1 ORDER BY sourceid").fetchall()
    connection.execute("UPDATE production.label SET teff = 4321 WHERE source_id = %s", (int(stars.source_id[3]),))
    second = publish_catalogue(connection, run, settings)
    assert second.counts["version"] == 2
    assert second.counts["sha256"] != first.counts["sha256"]
    assert connection.execute("SELECT * FROM catalogue.rvs_cnn_v1 ORDER BY sourceid").fetchall() == old
    row = connection.execute(
        "SELECT teff FROM catalogue.rvs_cnn WHERE sourceid = %s", (str(stars.source_id[3]),)
    ).fetchone()
    assert row == (4321.0,)
    assert [(each.version, each.current) for each in list_publications(connection)] == [(1, False), (2, True)]
    # Back to the first content: its version is there and becomes current again.
    connection.execute(
        "UPDATE production.label SET teff = %s WHERE source_id = %s",
        (float(stars.labels["teff"][3]), int(stars.source_id[3])),
    )
    third = publish_catalogue(connection, run, settings)
    assert third.counts["version"] == 1
    assert find_publication(connection).version == 1
    assert connection.execute("SELECT * FROM catalogue.rvs_cnn ORDER BY sourceid").fetchall() == old


def test_checksum_can_be_computed_by_anyone(connection, settings, published):
    _, result = published
    command = "COPY (SELECT * FROM catalogue.rvs_cnn_extended_v1 ORDER BY source_id) TO STDOUT (FORMAT csv)"
    with psycopg.connect(settings.database_url) as other, other.cursor() as cursor, cursor.copy(command) as copy:
        data = b"".join(bytes(part) for part in copy)
    assert hashlib.sha256(data).hexdigest() == result.counts["sha256"]
    assert find_publication(connection).sha256 == result.counts["sha256"]


@pytest.mark.usefixtures("published")
def test_readers_see_the_old_version_until_the_new_one_is_whole(connection, run, settings):
    connection.execute("UPDATE production.label SET teff = 4321")
    seen = []

    def look(done, total, what=""):
        if "version" in what or "TAP_SCHEMA" in what:
            with psycopg.connect(settings.database_url) as reader:
                reader.execute("SET ROLE rvscat_reader")
                seen.append(
                    reader.execute(
                        "SELECT count(*) FILTER (WHERE teff = 4321), count(*) FROM catalogue.rvs_cnn"
                    ).fetchone()
                )

    publish_catalogue(connection, run, settings, look)
    assert (0, 200) in seen
    assert seen[-1] == (200, 200)
    assert set(seen) == {(0, 200), (200, 200)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("DELETE FROM production.boundary WHERE source_id = %(star)s", "1 have no flag_boundary"),
        ("UPDATE production.label SET sigma_feh = 'NaN' WHERE source_id = %(star)s", "1 have a label or uncertainty"),
        ("UPDATE production.label SET logg = 'Infinity' WHERE source_id = %(star)s", "1 have a label or uncertainty"),
        ("UPDATE production.label SET sigma_mh_oof = 'NaN' WHERE source_id = %(star)s", "1 have a label or"),
        ("DELETE FROM production.sample_star WHERE source_id = %(star)s", "1 belong to no sample"),
        ("DELETE FROM survey.gaia_source WHERE source_id = %(star)s", "1 have no row in gaia_source"),
    ],
)
def test_incomplete_run_changes_nothing(connection, run, settings, published, damage, message):
    stars, _ = published
    star = int(stars.source_id[50])
    before = connection.execute("SELECT * FROM catalogue.rvs_cnn ORDER BY sourceid").fetchall()
    connection.execute("UPDATE production.label SET teff = teff + 1")
    connection.execute(damage, {"star": star})
    with pytest.raises(SampleError, match=message) as error:
        publish_catalogue(connection, run, settings)
    assert str(star) in str(error.value)
    assert f"--run {run.run_id}" in error.value.remedy
    connection.rollback()
    assert connection.execute("SELECT * FROM catalogue.rvs_cnn ORDER BY sourceid").fetchall() == before
    assert len(list_publications(connection)) == 1


def test_failure_half_way_leaves_no_table(connection, run, settings, seed_run, monkeypatch):
    seed_run(run)

    def fail(*_):
        raise RuntimeError("half way")

    monkeypatch.setattr("catalog.publish.stage.write_tap_schema", fail)
    with pytest.raises(RuntimeError, match="half way"):
        publish_catalogue(connection, run, settings)
    connection.rollback()
    left = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'catalogue'::regnamespace")
    assert left.fetchone() == (0,)
    assert list_publications(connection) == []


def test_sample_star_without_labels_is_told(connection, run, settings, seed_run):
    stars = seed_run(run)
    star = int(stars.source_id[-1])
    connection.execute("DELETE FROM production.label WHERE source_id = %s", (star,))
    result = publish_catalogue(connection, run, settings)
    assert result.counts["rows"] == 199
    assert result.notes == ["1 star of the samples has no labels and is not published."]


def test_two_runs_are_two_versions(connection, run, settings, seed_run, profile):
    seed_run(run)
    publish_catalogue(connection, run, settings)
    other = open_run(connection, profile.model_copy(update={"name": "other"}))
    seed_run(other, seed=2)
    result = publish_catalogue(connection, other, settings)
    assert result.counts["version"] == 2
    assert connection.execute("SELECT DISTINCT run_id FROM catalogue.rvs_cnn_extended").fetchall() == [(other.run_id,)]


def test_views_follow_other_columns(connection, run, settings, published):
    # As an older rvscat might have left it.
    connection.execute("DROP VIEW catalogue.rvs_cnn")
    connection.execute(
        "CREATE VIEW catalogue.rvs_cnn AS SELECT sourceid, teff AS temperature FROM catalogue.rvs_cnn_v1"
    )
    connection.execute("UPDATE production.label SET teff = 4321")
    publish_catalogue(connection, run, settings)
    assert [row[0] for row in columns_of(connection, "catalogue.rvs_cnn")] == list(RVS_CNN.column_names)
    connection.execute("SET ROLE rvscat_reader")
    assert connection.execute("SELECT count(*) FROM catalogue.rvs_cnn").fetchone() == (200,)
    connection.execute("RESET ROLE")


def test_no_labels(connection, run, settings):
    with pytest.raises(SampleError, match="has no labels to publish"):
        publish_catalogue(connection, run, settings)


def test_unknown_publication(connection):
    with pytest.raises(NotFoundError, match="Nothing has been published"):
        find_publication(connection)
    with pytest.raises(NotFoundError, match="no published version 3"):
        find_publication(connection, 3)
