"""The schema goes up and down, empty or filled."""

import psycopg
import pytest
from psycopg import sql

from catalog.database import migrate
from catalog.database.connection import connect, database_url
from catalog.errors import DatabaseError
from catalog.settings import Settings


def objects(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return set(
            connection.execute(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname IN ('survey', 'production', 'catalogue', 'tap_schema')"
            ).fetchall()
        )


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
            "VALUES ('dr3', 'gaia_source', 'a', '/a', repeat('0', 64), 1, 'complete') RETURNING file_id"
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO survey.gaia_source (release, source_id, ra, dec, file_id) VALUES ('dr3', 1, 0, 0, %s)", row
        )
        connection.execute(
            "INSERT INTO production.run (key, release, profile, version, status) "
            "VALUES (repeat('0', 64), 'dr3', '{}', '0', 'open')"
        )
        connection.execute("CREATE TABLE catalogue.rvs_cnn_v1 (sourceid char(19))")
        connection.execute("CREATE VIEW catalogue.rvs_cnn AS SELECT * FROM catalogue.rvs_cnn_v1")


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_down_and_up_again(database_url: str, filled: bool) -> None:
    before = objects(database_url)
    assert len(before) > 80
    if filled:
        fill(database_url)
    migrate.downgrade(database_url, "base")
    assert objects(database_url) == set()
    assert migrate.current_revision(database_url) is None
    migrate.upgrade(database_url)
    assert objects(database_url) == before


def test_each_step_down_undoes_its_step_up(database_url: str) -> None:
    revisions = migrate.known_revisions()
    seen = {}
    migrate.downgrade(database_url, "base")
    for revision in reversed(revisions):
        migrate.upgrade(database_url, revision)
        seen[revision] = objects(database_url)
    for revision, below in zip(revisions, [*revisions[1:], "base"], strict=True):
        assert objects(database_url) == seen[revision]
        migrate.downgrade(database_url, below)


def test_labels_outlive_the_calibrated_sigmas(database_url: str) -> None:
    fill(database_url)
    labels = ("teff", "logg", "mh", "alpham", "feh")
    names = [f"{prefix}{label}" for label in labels for prefix in ("", "e", "sigma_")]
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
            "SELECT repeat('0', 64), run_id, 'dr3', '/a', 'complete', 4, 1, '{}' FROM production.run"
        )
        connection.execute(
            sql.SQL(
                "INSERT INTO production.label (run_id, release, source_id, ensemble_id, n_members, {}, sigma_teff_oof) "
                "SELECT run_id, 'dr3', 1, ensemble_id, 4, {}, 61.5 FROM production.ensemble"
            ).format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join([sql.Literal(1.5)] * 15))
        )
        connection.execute(
            "INSERT INTO production.sample_star (run_id, release, source_id, role) "
            "SELECT run_id, 'dr3', 1, 'training' FROM production.run"
        )
    view = "SELECT source_id, teff, sigma_feh FROM production.labelled_star"
    migrate.downgrade(database_url, "0006_studies")
    with psycopg.connect(database_url) as connection:
        assert connection.execute(view).fetchall() == [(1, 1.5, 1.5)]
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT sigma_teff_oof FROM production.labelled_star")
    migrate.upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute(view).fetchall() == [(1, 1.5, 1.5)]
        assert connection.execute("SELECT sigma_teff_oof FROM production.labelled_star").fetchall() == [(None,)]


def test_an_ensemble_without_a_run_goes_with_the_step_that_allows_it(database_url: str) -> None:
    fill(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
            "SELECT repeat('0', 64), run_id, 'dr3', '/a', 'complete', 4, 1, '{}'::jsonb FROM production.run "
            "UNION ALL SELECT repeat('1', 64), NULL, 'dr3', '/b', 'complete', 4, 1, '{}'"
        )
    migrate.downgrade(database_url, "0008_likeness")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT path FROM production.ensemble").fetchall() == [("/a",)]
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute("UPDATE production.ensemble SET run_id = NULL")
    migrate.upgrade(database_url)


def test_upgrade_twice_changes_nothing(database_url: str) -> None:
    fill(database_url)
    migrate.upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM survey.gaia_source").fetchone() == (1,)


def test_a_database_of_a_newer_version_is_refused(settings: Settings) -> None:
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("UPDATE public.alembic_version SET version_num = '9999_future'")
    with pytest.raises(DatabaseError, match="9999_future"):
        database_url(settings)


def test_an_empty_database_is_brought_up(settings: Settings) -> None:
    assert settings.database_url is not None
    migrate.downgrade(settings.database_url, "base")
    with connect(settings) as connection:
        assert connection.execute("SELECT count(*) FROM production.run").fetchone() == (0,)


def test_unreachable_server_hides_the_password(settings: Settings) -> None:
    wrong = settings.model_copy(update={"database_url": "postgresql://user:secret@127.0.0.1:1/none"})
    with pytest.raises(DatabaseError) as caught:
        database_url(wrong)
    assert "secret" not in str(caught.value)
    assert "RVSCAT_DATABASE_URL" in str(caught.value)


def test_the_reader_sees_the_catalogue_and_nothing_else(settings: Settings) -> None:
    with connect(settings, role="rvscat_reader") as connection:
        assert connection.execute("SELECT count(*) FROM tap_schema.columns").fetchone() is not None
    for table in ("survey.gaia_source", "production.run"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connect(settings, role="rvscat_reader") as connection:
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split("."))))


@pytest.mark.parametrize(
    ("table", "columns", "values"),
    [
        ("production.boundary", "run_id, release, source_id, flag_boundary, flag_bits", "1, 'dr3', 1, '0000000', 0"),
        ("production.boundary", "run_id, release, source_id, flag_boundary, flag_bits", "1, 'dr3', 1, '00000002', 0"),
        ("survey.gaia_source", "release, source_id, ra, dec, file_id", "'dr3', 2, 360.0, 0, 1"),
        ("survey.gaia_source", "release, source_id, ra, dec, file_id", "'dr3', 0, 0, 0, 1"),
        ("survey.rvs_spectrum", "release, source_id, flux, file_id", r"'dr3', 2, '\x00000000', 1"),
        ("survey.rvs_spectrum", "release, source_id, flux, file_id", r"'dr4', 2, '\x000000', 1"),
    ],
)
def test_constraints_refuse_what_is_not_valid(database_url: str, table: str, columns: str, values: str) -> None:
    fill(database_url)
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})")  # type: ignore[arg-type]
