"""Publishing a run, and what happens the second time, in the middle, or with a run that is not whole."""

import hashlib

import psycopg
import pytest

from catalog.database.ledger import open_run
from catalog.errors import NotFoundError, SampleError
from catalog.metadata.columns import RVS_CNN
from catalog.publish.export import NO_AUTHOR
from catalog.publish.publications import find_publication, list_publications
from catalog.publish.stage import publish_catalogue
from tests.publish.conftest import publish_as_role
from tests.publish.described import columns_of


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
    second = publish_as_role(connection, run, settings)
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
    third = publish_as_role(connection, run, settings)
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

    publish_as_role(connection, run, settings, look)
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
    assert result.notes == ["1 star of the samples has no labels and is not published.", NO_AUTHOR]


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
