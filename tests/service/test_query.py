"""How a query is executed: as whom, how long, how much; and what its columns are."""

import psycopg
import pytest

from catalog.errors import NotFoundError, QueryError
from catalog.service.published import published_tables
from catalog.service.query import READER, restrict, run_query


def test_columns_carry_their_facts(published):
    columns = run_query(
        published, "SELECT sourceid, teff, logg AS g, mh, teff / 2, COUNT(*) FROM rvs_cnn GROUP BY 1, 2, 3, 4"
    ).columns
    teff, g = columns[1], columns[2]
    assert (teff.name, teff.datatype, teff.arraysize, teff.unit) == ("teff", "float", None, "K")
    assert (teff.ucd, teff.description) == ("phys", "about teff")
    assert (g.name, g.unit, g.description) == ("g", "log(cm.s**-2)", "about logg")
    assert [column.datatype for column in columns] == ["char", "float", "float", "float", "double", "long"]
    assert columns[0].arraysize == "19"
    assert columns[3].unit == "'dex'"
    assert (columns[4].unit, columns[4].ucd) == (None, None)


def test_reserved_names_lose_their_quotes(published):
    tables = published_tables(published)
    assert "size" in tables["tap_schema.columns"]
    assert list(tables["catalogue.rvs_cnn"])[:2] == ["sourceid", "teff"]
    assert len(tables["catalogue.rvs_cnn"]) == 17


@pytest.mark.parametrize(("max_rows", "n", "truncated"), [(0, 0, True), (3, 3, True), (5, 5, False), (6, 5, False)])
def test_rows_are_limited_and_it_is_said(published, max_rows, n, truncated):
    result = run_query(published, "SELECT sourceid FROM rvs_cnn ORDER BY sourceid", max_rows)
    assert (len(result.rows), result.truncated) == (n, truncated)
    assert result.rows == [(str(1001 + i),) for i in range(n)]


def test_top_is_not_a_truncation(published):
    result = run_query(published, "SELECT TOP 3 sourceid FROM rvs_cnn", 3)
    assert (len(result.rows), result.truncated) == (3, False)


def test_negative_row_limit(published):
    with pytest.raises(QueryError, match="-1"):
        run_query(published, "SELECT sourceid FROM rvs_cnn", -1)


def test_values_are_plain(published):
    row = run_query(
        published,
        "SELECT 1.5 * 2 AS d, CAST('2024-01-02' AS TIMESTAMP) AS t, teff > 0 AS b, flag_boundary, NULL AS n, "
        "SUM(source_id) AS s FROM rvs_cnn JOIN rvs_cnn_extended USING (sourceid) "
        "WHERE sourceid = '1002' GROUP BY teff, flag_boundary",
    ).rows[0]
    assert row == (3.0, "2024-01-02 00:00:00", True, "00000000", None, 1002.0)
    assert [type(value) for value in row] == [float, str, bool, str, type(None), float]


def test_reals_keep_their_own_digits(published):
    assert run_query(published, "SELECT mh FROM rvs_cnn WHERE sourceid = '1001'").rows == [(-0.3,)]


def test_time_is_limited(published):
    slow = (
        "SELECT COUNT(*) FROM "
        + ", ".join(f"tap_schema.columns t{i}" for i in range(9))
        + " WHERE t0.unit <> t1.unit OR RAND() > 2"
    )
    with pytest.raises(QueryError, match=r"ran longer than 0\.2 s and was stopped"):
        run_query(published, slow, timeout=0.2)
    # The connection is as good as before.
    assert run_query(published, "SELECT COUNT(*) FROM rvs_cnn").rows == [(5,)]


def test_connection_is_left_as_it_was(published):
    published.execute("CREATE TABLE kept (x integer)")
    before = published.execute(
        "SELECT current_user, current_setting('statement_timeout'), current_setting('search_path')"
    ).fetchone()
    run_query(published, "SELECT teff FROM rvs_cnn")
    with pytest.raises(QueryError):
        run_query(published, "SELECT 1 / 0 FROM rvs_cnn")
    after = published.execute(
        "SELECT current_user, current_setting('statement_timeout'), current_setting('search_path')"
    ).fetchone()
    assert after == before
    published.execute("INSERT INTO kept VALUES (1)")
    assert published.execute("SELECT count(*) FROM kept").fetchone() == (1,)


def test_it_works_on_an_autocommit_connection(catalogue_url):
    with psycopg.connect(catalogue_url, autocommit=True) as connection:
        assert len(run_query(connection, "SELECT teff FROM rvs_cnn").rows) == 5
        assert connection.execute("SELECT current_user").fetchone() != (READER,)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT * FROM production.run", psycopg.errors.InsufficientPrivilege),
        ("SELECT * FROM survey.gaia_source", psycopg.errors.InsufficientPrivilege),
        ("SELECT * FROM pg_authid", psycopg.errors.InsufficientPrivilege),
        ("SELECT pg_read_file('/etc/passwd')", psycopg.errors.InsufficientPrivilege),
        ("CREATE TABLE x (y integer)", psycopg.errors.ReadOnlySqlTransaction),
        ("CREATE TEMP TABLE x (y integer)", psycopg.errors.ReadOnlySqlTransaction),
        (
            "DELETE FROM catalogue.rvs_cnn",
            (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege),
        ),
    ],
)
def test_the_role_can_do_no_more_than_read_what_is_public(published, statement, error):
    """Even a query that slipped through the translation would be refused."""
    with published.transaction(force_rollback=True):
        restrict(published, 5.0)
        with pytest.raises(error):
            published.execute(statement)


def test_one_statement_at_a_time(published, monkeypatch):
    """The server itself refuses a second statement."""
    from catalog.service import query

    class Two:
        columns = ()

        def sql(self, max_rows):
            return "SELECT 1; SELECT 2"

    monkeypatch.setattr(query, "prepare", lambda adql, tables: Two())
    with pytest.raises(QueryError, match="multiple commands"):
        run_query(published, "whatever")


@pytest.mark.parametrize(
    ("adql", "message"),
    [
        ("SELECT 1 / 0 FROM rvs_cnn", "division by zero"),
        ("SELECT LOG(teff - teff) FROM rvs_cnn", "logarithm of zero"),
        ("SELECT CAST(flag_boundary || 'x' AS INTEGER) FROM rvs_cnn", "invalid input syntax"),
        ("SELECT SQRT(sourceid) FROM rvs_cnn", r"does not exist\. Do the types fit"),
        ("SELECT teff, COUNT(*) FROM rvs_cnn", "must appear in the GROUP BY"),
        (
            "SELECT sourceid FROM rvs_cnn WHERE sourceid = 1001",
            r"varying = integer\. Do the types fit\? Texts stand in quotes \(sourceid = '1001'\)",
        ),
    ],
)
def test_what_the_database_objects_to(published, adql, message):
    with pytest.raises(QueryError, match=message):
        run_query(published, adql)


def test_what_is_listed_but_not_granted(published):
    published.execute("REVOKE SELECT ON catalogue.rvs_cnn FROM rvscat_reader")
    with pytest.raises(QueryError, match="not public: permission denied for table rvs_cnn"):
        run_query(published, "SELECT teff FROM rvs_cnn")


def test_nothing_published(connection):
    with pytest.raises(NotFoundError, match=r"No table is published yet.*rvscat publish"):
        run_query(connection, "SELECT teff FROM rvs_cnn")
