"""What is refused, and by which words: nothing but one SELECT on published tables reaches the database."""
# ruff: noqa: E501  (one query a line)

import pytest

from catalog.errors import QueryError
from catalog.service.adql import MAX_TEXT, translate
from catalog.service.functions import FUNCTIONS
from catalog.service.query import run_query
from catalog.service.resolve import MAX_COLUMNS
from catalog.service.rules import MAX_DEPTH, MAX_LENGTH, MAX_NESTING, MAX_TABLES
from catalog.service.user_functions import USER_FUNCTIONS

TABLES = {
    "catalogue.rvs_cnn": ["sourceid", "teff", "logg", "flag_boundary"],
    "catalogue.rvs_cnn_extended": ["source_id", "sourceid", "ra", "dec"],
    "tap_schema.columns": ["table_name", "column_name", "size"],
}

HOSTILE = [
    # more than a query, or none
    ("SELECT 1; DROP TABLE catalogue.rvs_cnn", "more than one statement"),
    ("SELECT teff FROM rvs_cnn; SELECT 1", "more than one statement"),
    ("DROP TABLE catalogue.rvs_cnn", "begins with DROP"),
    ("INSERT INTO catalogue.rvs_cnn VALUES (1)", "begins with INSERT"),
    ("DELETE FROM catalogue.rvs_cnn", "begins with DELETE"),
    ("UPDATE catalogue.rvs_cnn SET teff = 0", "begins with UPDATE"),
    ("COPY catalogue.rvs_cnn TO '/tmp/x'", "begins with COPY"),
    ("COPY (SELECT 1) TO PROGRAM 'id'", "begins with COPY"),
    ("SET ROLE postgres", "begins with SET"),
    ("EXPLAIN ANALYZE SELECT 1", "begins with EXPLAIN"),
    ("DO $$ BEGIN END $$", "begins with DO"),
    ("VALUES (1)", "begins with VALUES"),
    ("TABLE catalogue.rvs_cnn", "begins with TABLE"),
    ("WITH x AS (DELETE FROM rvs_cnn RETURNING *) SELECT * FROM x", "not"),
    ("WITH x AS (SELECT 1) DELETE FROM rvs_cnn", "not"),
    ("SELECT teff INTO stolen FROM rvs_cnn", "INTO stolen is not allowed"),
    ("SELECT teff FROM rvs_cnn FOR UPDATE", "FOR UPDATE is not allowed"),
    # tables
    ("SELECT * FROM pg_catalog.pg_authid", "no published table pg_catalog.pg_authid"),
    ("SELECT * FROM pg_user", "no published table pg_user"),
    ("SELECT * FROM information_schema.tables", "no published table information_schema.tables"),
    ("SELECT * FROM production.run", "no published table production.run"),
    ("SELECT * FROM survey.gaia_source", "no published table survey.gaia_source"),
    ('SELECT * FROM "pg_catalog"."pg_user"', "no published table"),
    ('SELECT * FROM "catalogue.rvs_cnn"', "no published table"),
    ("SELECT teff FROM ..rvs_cnn", "name is missing|CATALOG"),
    ('SELECT teff AS "" FROM rvs_cnn', "name is missing"),
    ("SELECT * FROM db.catalogue.rvs_cnn", "CATALOG in db.catalogue.rvs_cnn is not allowed"),
    ("WITH pg_user AS (SELECT usename FROM pg_user) SELECT * FROM pg_user", "no published table pg_user"),
    ("SELECT * FROM (WITH pg_user AS (SELECT 1 AS x) SELECT * FROM pg_user) a, pg_user", "no published table pg_user"),
    ("SELECT teff FROM rvs_cnn WHERE (SELECT COUNT(*) FROM pg_shadow) > 0", "no published table pg_shadow"),
    ("SELECT teff FROM rvs_cnn WHERE teff IN (SELECT oid FROM pg_class)", "no published table pg_class"),
    ("SELECT teff FROM rvs_cnn ORDER BY (SELECT 1 FROM pg_class)", "no published table pg_class"),
    ("SELECT teff FROM rvs_cnn UNION SELECT usename FROM pg_user", "no published table pg_user"),
    ("SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_class) THEN 1 END FROM rvs_cnn", "no published table pg_class"),
    ("SELECT * FROM rvs_cnn JOIN pg_class ON (SELECT true FROM pg_user)", "no published table"),
    # columns that PostgreSQL has and the catalogue has not
    ("SELECT ctid FROM rvs_cnn", "no column ctid"),
    ("SELECT xmin, tableoid FROM rvs_cnn", "no column xmin"),
    ("SELECT r FROM rvs_cnn r", "no column r"),
    ("SELECT rvs_cnn FROM rvs_cnn", "no column rvs_cnn"),
    ("SELECT current_user FROM rvs_cnn", "no column current_user"),
    ("SELECT session_user, user FROM rvs_cnn", "no column"),
    ("SELECT current_setting FROM rvs_cnn", "no column current_setting"),
    ("SELECT localtimestamp FROM rvs_cnn", "no column"),
    # functions
    ("SELECT pg_sleep(100) FROM rvs_cnn", "function PG_SLEEP is not offered"),
    ("SELECT pg_catalog.pg_sleep(100) FROM rvs_cnn", "is not allowed"),
    ('SELECT "pg_sleep"(100) FROM rvs_cnn', "is not offered"),
    ("SELECT * FROM pg_read_file('/etc/passwd')", "PG_READ_FILE.* is not allowed as a table"),
    ("SELECT pg_read_file('/etc/passwd') FROM rvs_cnn", "PG_READ_FILE is not offered"),
    ("SELECT set_config('role', 'postgres', false) FROM rvs_cnn", "SET_CONFIG is not offered"),
    ("SELECT * FROM dblink('dbname=x', 'SELECT 1') AS t(a int)", "is not allowed"),
    ("SELECT lo_import('/etc/passwd') FROM rvs_cnn", "LO_IMPORT is not offered"),
    ("SELECT query_to_xml('SELECT 1', true, true, '') FROM rvs_cnn", "QUERY_TO_XML is not offered"),
    ("SELECT generate_series(1, 1000000000) FROM rvs_cnn", "GENERATE_SERIES is not offered"),
    ("SELECT repeat('a', 1000000000) FROM rvs_cnn", "REPEAT is not offered"),
    ("SELECT version() FROM rvs_cnn", "VERSION is not offered"),
    ("SELECT pg_terminate_backend(1) FROM rvs_cnn", "PG_TERMINATE_BACKEND is not offered"),
    ("SELECT string_agg(sourceid, ',') FROM rvs_cnn", "STRING_AGG is not offered"),
    ("SELECT row(teff) FROM rvs_cnn", "ROW is not offered"),
    ("SELECT COUNT(*) OVER () FROM rvs_cnn", "OVER.* is not allowed"),
    ("SELECT COUNT(*) FILTER (WHERE teff > 1) FROM rvs_cnn", "FILTER.* is not allowed"),
    ("SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY teff) FROM rvs_cnn", "is not allowed"),
    ("SELECT * FROM unnest(ARRAY[1]) AS x", "is not allowed"),
    ("SELECT * FROM rvs_cnn, LATERAL (SELECT 1) AS x", "LATERAL.* is not allowed"),
    ("SELECT * FROM json_to_recordset('[]') AS x(a int)", "is not allowed"),
    # types, operators and literals
    ("SELECT CAST('pg_authid' AS regclass) FROM rvs_cnn", "CAST to regclass is not allowed"),
    ("SELECT 'pg_authid'::regclass FROM rvs_cnn", "not valid ADQL"),
    ("SELECT teff->'a' FROM rvs_cnn", "not valid ADQL|not allowed"),
    ("SELECT ''{: 1} FROM rvs_cnn", "not valid ADQL"),
    ("SELECT COUNT(SELECT teff FROM rvs_cnn) FROM rvs_cnn", "stands in parentheses"),
    ("SELECT CAST('<a/>' AS xml) FROM rvs_cnn", "CAST to XML is not allowed"),
    ("SELECT CAST(teff AS int[]) FROM rvs_cnn", "is not allowed"),
    ("SELECT date '2020-01-01' FROM rvs_cnn", "CAST to DATE is not allowed"),
    ("SELECT interval '1 day' FROM rvs_cnn", "is not allowed"),
    ("SELECT ARRAY[1, 2] FROM rvs_cnn", "is not allowed"),
    ("SELECT (1, 2) FROM rvs_cnn", "is not allowed"),
    ("SELECT {'a': 1} FROM rvs_cnn", "is not allowed"),
    ("SELECT teff[1] FROM rvs_cnn", "is not allowed"),
    ("SELECT teff | 1 FROM rvs_cnn", "is not allowed"),
    ("SELECT teff FROM rvs_cnn WHERE sourceid ~ '(a+)+$'", "not valid ADQL|not allowed"),
    ("SELECT teff FROM rvs_cnn WHERE sourceid SIMILAR TO 'a'", "SIMILAR TO.* is not allowed"),
    ("SELECT teff COLLATE \"C\" FROM rvs_cnn", "COLLATE.* is not allowed"),
    ("SELECT teff AT TIME ZONE 'UTC' FROM rvs_cnn", "is not allowed"),
    ("SELECT E'\\047' FROM rvs_cnn", "not valid ADQL|no column"),
    ("SELECT U&'\\0061' FROM rvs_cnn", "not allowed|not valid"),
    ("SELECT $$text$$ FROM rvs_cnn", "no column|not valid"),
    ("SELECT x'ff' FROM rvs_cnn", "not valid ADQL|no column"),
    ("SELECT ?, :name, @var FROM rvs_cnn", "is not allowed"),
    ("SELECT $1 FROM rvs_cnn", "no column"),
    ("SELECT %s FROM rvs_cnn", "not valid ADQL"),
    ("SELECT teff FROM SELECT teff FROM rvs_cnn", "not allowed as a table|not valid"),
    ("SELECT (teff AS x) FROM rvs_cnn", "is not allowed"),
    ("SELECT teff IS logg FROM rvs_cnn", "Write IS NULL"),
    ("SELECT teff FROM rvs_cnn WHERE teff IS DISTINCT FROM logg", "not allowed|not valid"),
    ("SELECT * FROM ('[]') AS x(aWHENint)", "not|Something"),
    # comments and control characters
    ("SELECT teff /* hidden */ FROM rvs_cnn", "not valid ADQL"),
    ("SELECT teff /*! hidden */ FROM rvs_cnn", "not valid ADQL"),
    ("SELECT /*+ hint */ teff FROM rvs_cnn", "not valid ADQL|not allowed"),
    ("SELECT teff\x00 FROM rvs_cnn", r"control character U\+0000 at position 11"),
    ("SELECT '\ud800' FROM rvs_cnn", r"control character U\+D800"),
    # parts of SELECT that ADQL has not
    ("SELECT DISTINCT ON (teff) teff FROM rvs_cnn", "DISTINCT ON"),
    ("WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT * FROM x", "RECURSIVE.* is not allowed"),
    ("WITH x AS MATERIALIZED (SELECT teff FROM rvs_cnn) SELECT * FROM x", "MATERIALIZED.* is not allowed"),
    ("SELECT teff FROM rvs_cnn GROUP BY ROLLUP (teff)", "ROLLUP.* is not allowed"),
    ("SELECT teff FROM rvs_cnn GROUP BY CUBE (teff)", "CUBE.* is not allowed"),
    ("SELECT teff FROM rvs_cnn FETCH FIRST 5 ROWS ONLY", "FETCH.* is not allowed"),
    ("SELECT * EXCEPT (teff) FROM rvs_cnn", "EXCEPT.* is not allowed"),
    ("SELECT teff FROM rvs_cnn TABLESAMPLE SYSTEM (1)", "TABLESAMPLE.* is not allowed"),
    ("SELECT teff FROM rvs_cnn WHERE teff > ALL (SELECT 1)", "ALL.* is not allowed"),
    ("SELECT teff FROM rvs_cnn WHERE teff = ANY (SELECT teff FROM rvs_cnn)", "ANY.* is not allowed"),
    ("SELECT teff FROM rvs_cnn SEMI JOIN rvs_cnn_extended", "SEMI JOIN is not allowed"),
    ("SELECT teff FROM rvs_cnn WINDOW w AS (ORDER BY teff)", "is not allowed|not valid"),
    ("SELECT teff FROM rvs_cnn QUALIFY teff > 1", "is not allowed|not valid"),
    # other ways out of the query
    ("SELECT teff FROM rvs_cnn; COPY rvs_cnn TO PROGRAM 'id'", "more than one statement"),
    ("SELECT teff FROM rvs_cnn;;SELECT 1", "more than one statement"),
    ("SELECT teff FROM rvs_cnn\\; SELECT 1", "not valid ADQL|more than one"),
    ("BEGIN; SELECT 1; COMMIT", "more than one statement|begins with BEGIN"),
    ("CALL pg_sleep(1)", "begins with CALL"),
    ("LISTEN x", "begins with LISTEN"),
    ("PREPARE x AS SELECT 1", "begins with PREPARE"),
    ("DECLARE c CURSOR FOR SELECT 1", "begins with DECLARE"),
    ("VACUUM", "begins with VACUUM"),
    ("\ufeffSELECT teff FROM rvs_cnn", "begins with|not valid"),
    ("SELECT teff FROM rvs_cnn WHERE 1 = 1 -- \r; DROP TABLE x", "not valid ADQL|more than one"),
    ("WITH x AS (INSERT INTO catalogue.rvs_cnn VALUES (1) RETURNING *) SELECT * FROM x", "not"),
    ("WITH x AS (UPDATE rvs_cnn SET teff = 0 RETURNING *) SELECT * FROM x", "not"),
    ("WITH x AS (SELECT teff FROM rvs_cnn) UPDATE rvs_cnn SET teff = 0", "not"),
    ("WITH x AS (SELECT teff FROM rvs_cnn) INSERT INTO y SELECT * FROM x", "not"),
    ("SELECT * FROM (DELETE FROM rvs_cnn RETURNING *) AS x", "not"),
    ("SELECT * FROM (TABLE pg_authid) AS x", "Something other than a table"),
    ("SELECT * FROM (VALUES (1)) AS x", "not"),
    ("SELECT * FROM ROWS FROM (pg_ls_dir('/')) AS x", "not"),
    ("SELECT * FROM XMLTABLE('/' PASSING 'x' COLUMNS a int) AS x", "not"),
    # everything that reads files, waits, writes, or runs text
    *((f"SELECT {call} FROM rvs_cnn", r"is not offered|is not allowed") for call in (
        "pg_read_binary_file('/etc/passwd')", "pg_ls_dir('/')", "pg_stat_file('/')", "lo_export(1, '/tmp/x')", "lo_get(1)",
        "lo_from_bytea(0, 'x')", "dblink('x', 'y')", "dblink_exec('x', 'y')", "pg_sleep_for('1 day')", "pg_sleep_until('x')",
        "pg_advisory_lock(1)", "pg_cancel_backend(1)", "pg_reload_conf()", "pg_notify('a', 'b')", "pg_logical_emit_message(true, 'a', 'b')",
        "nextval('x')", "setval('x', 1)", "txid_current()", "current_setting('data_directory')", "inet_server_addr()",
        "database_to_xml(true, true, '')", "table_to_xml('x', true, true, '')", "xpath('/', 'x')", "ts_stat('SELECT 1')",
        "ts_rewrite('a', 'SELECT 1')", "query_to_xmlschema('SELECT 1', true, true, '')", "has_table_privilege('x', 'y')",
        "to_regclass('x')", "pg_get_viewdef(1)", "obj_description(1)", "regexp_replace('a', '(a+)+$', 'b')", "lpad('a', 1000000000)",
        "format('%s', teff)", "random_normal()", "gen_random_uuid()", "system_user()", "json_agg(teff)", "array_agg(teff)",
        "xmlagg(teff)", "\"COPY\"('x')", "\"pg_catalog\".\"pg_sleep\"(1)", "left('a', 1)", "\"BOX\"(1)",
        "ts_match_vq('a', 'b')", "now()", "chr(1)",
    )),
    # names and strings that want to be more
    ('SELECT "teff"" FROM rvs_cnn', "not valid ADQL"),
    ('SELECT "teff\\" FROM rvs_cnn', "no column"),
    ('SELECT "a""; DROP TABLE x; --" FROM rvs_cnn', "no column"),
    ('SELECT U&"\\0074eff" FROM rvs_cnn', "not allowed|not valid|no column"),
    ('SELECT U&"!0074eff" UESCAPE \'!\' FROM rvs_cnn', "not allowed|not valid|no column"),
    ("SELECT N'x' FROM rvs_cnn", "not allowed|not valid|no column"),
    ("SELECT B'1' FROM rvs_cnn", "not allowed|not valid|no column"),
    ("SELECT $tag$x$tag$ FROM rvs_cnn", "no column|not valid"),
    ("SELECT ｔｅｆｆ FROM rvs_cnn", "no column"),
    ("SELECT [teff] FROM rvs_cnn", "not allowed"),
    ("SELECT `teff` FROM rvs_cnn", "not valid|no column"),
    ("SELECT \\'teff FROM rvs_cnn", "not valid"),
    ("SELECT teff FROM catalogue.rvs_cnn@db", "not valid|not allowed"),
    ("SELECT teff FROM ONLY rvs_cnn", "no published table only|not allowed|not valid"),
    ("SELECT rvs_cnn.* FROM pg_class AS rvs_cnn", "no published table pg_class"),
    ("SELECT * FROM tap_upload.pg_class", "no uploaded table"),
    ("SELECT * FROM pg_temp.x", "no published table pg_temp.x"),
]  # fmt: skip


@pytest.mark.parametrize(("adql", "message"), HOSTILE)
def test_everything_else_is_refused(adql, message):
    with pytest.raises(QueryError, match=f"(?i){message}"):
        translate(adql, TABLES)


def test_quoted_names_stay_names(published):
    evil = 'a"; DROP TABLE catalogue.rvs_cnn; --'
    result = run_query(published, 'SELECT teff AS "{}" FROM rvs_cnn'.format(evil.replace('"', '""')))
    assert [column.name for column in result.columns] == [evil]
    assert len(result.rows) == 5


def test_backslashes_end_no_string(published):
    sql = r"SELECT 'a\' || ' OR 1=1 --' FROM rvs_cnn WHERE sourceid = '1001'"
    assert run_query(published, sql).rows == [(r"a\ OR 1=1 --",)]


def test_comments_do_not_reach_the_database():
    assert translate("SELECT teff -- '; DROP TABLE x\n FROM rvs_cnn", TABLES).count("--") == 0
    assert "/*" not in translate("SELECT teff -- x\n FROM rvs_cnn", TABLES)


@pytest.mark.parametrize(
    "adql",
    [
        "SELECT teff FROM rvs_cnn WHERE " + "(" * 5000 + "teff > 1" + ")" * 5000,
        "SELECT teff FROM rvs_cnn WHERE " + "NOT " * 5000 + "teff > 1",
        "SELECT " + "-" + " -" * 5000 + "teff FROM rvs_cnn",
        "SELECT " + "CASE WHEN 1=1 THEN " * 3000 + "1" + " END" * 3000 + " FROM rvs_cnn",
        "SELECT " + "ABS(" * 5000 + "teff" + ")" * 5000 + " FROM rvs_cnn",
        "SELECT " + "+".join(["teff"] * 5000) + " FROM rvs_cnn",
        "SELECT teff FROM rvs_cnn WHERE " + " OR ".join(["teff = 1"] * 5000),
        "SELECT * FROM " + "(SELECT * FROM " * 3000 + "rvs_cnn" + ") a" * 3000,
        " UNION ".join(["SELECT teff FROM rvs_cnn"] * 1000),
        "SELECT " + "[" * 3000 + "]" * 3000,
        "SELECT " + "{" * 3000,
        "SELECT CAST(teff AS " + "array<" * 3000,
        "WITH " + ", ".join(f"c{i} AS (SELECT * FROM {f'c{i - 1}' if i else 'rvs_cnn'})" for i in range(1100)) + " SELECT * FROM c1099",
    ],
    ids=lambda adql: adql[:30],
)  # fmt: skip
def test_depth_is_limited(adql):
    with pytest.raises(
        QueryError,
        match=r"deep|chain or nest|not valid ADQL|more than 50 SELECTs|at most 20000 are read|arguments of ABS",
    ):
        translate(adql, TABLES)


def test_what_is_just_within_the_limits_works(published):
    nested = "(" * (MAX_NESTING - 1) + "teff > 1" + ")" * (MAX_NESTING - 1)
    assert len(run_query(published, f"SELECT teff FROM rvs_cnn WHERE {nested}").rows) == 5
    chain = " OR ".join(f"teff = {i}" for i in range(MAX_DEPTH - 10))
    assert run_query(published, f"SELECT teff FROM rvs_cnn WHERE {chain}").rows == []
    many = ", ".join(f"'{10**18 + i}'" for i in range(4200))
    adql = f"SELECT teff FROM rvs_cnn WHERE sourceid IN ('1001', {many})"
    assert MAX_LENGTH - 10_000 < len(adql) < MAX_LENGTH
    assert len(run_query(published, adql).rows) == 1


def test_length_is_limited():
    with pytest.raises(QueryError, match="longer than 100 kB"):
        translate("SELECT teff FROM rvs_cnn --" + "é" * (MAX_LENGTH // 2), TABLES)


def test_stars_of_stars_are_limited():
    doubling = ", ".join(f"c{i} AS (SELECT * FROM c{i - 1} a, c{i - 1} b)" for i in range(1, 25))
    with pytest.raises(QueryError, match=rf"asks for \d+ columns; at most {MAX_COLUMNS}"):
        translate(f"WITH c0 AS (SELECT * FROM rvs_cnn), {doubling} SELECT 1 AS x FROM c24", TABLES)


def test_a_megabyte_is_refused_unread():
    with pytest.raises(QueryError, match="longer than 100 kB"):
        translate("SELECT teff FROM rvs_cnn WHERE " + " OR ".join(["teff = 1"] * 100_000), TABLES)


BOMBS = [
    # each name doubles the last one
    ("SELECT teff + teff AS a0, " + ", ".join(f"a{i} + a{i} AS a{i + 1}" for i in range(60)) + " FROM rvs_cnn", "becomes too large"),
    ("SELECT " + "+".join(["teff"] * 200) + " AS a FROM rvs_cnn ORDER BY " + ", ".join(["a + 1"] * 3000), "becomes too large"),
    ("SELECT " + "+".join(["teff"] * 200) + " AS a FROM rvs_cnn WHERE a IN (" + ", ".join(["a"] * 3000) + ")", "becomes too large"),
    # each function writes its argument more than once
    ("SELECT " + "DISTANCE(0, 0, 0, " * 30 + "teff" + ")" * 30 + " FROM rvs_cnn", "arguments of DISTANCE are too long"),
    ("SELECT " + "rvscat_flag_words(" * 30 + "sourceid" + ")" * 30 + " FROM rvs_cnn", "arguments of RVSCAT_FLAG_WORDS are too long"),
    ("SELECT " + ", ".join(["ivo_healpix_index(5, ra, dec)"] * 150) + " FROM rvs_cnn_extended", "functions are too many"),
    ("SELECT " + ", ".join(["ABS(teff)"] * 301) + " FROM rvs_cnn", "calls more than 300 functions"),
    # PostgreSQL writes queries in FROM and WITH into the query around them
    ("SELECT s + s AS s FROM (" * 30 + "SELECT teff AS s FROM rvs_cnn" + ") AS q" * 30, "written into each other"),
    ("WITH q0 AS (SELECT teff AS s FROM rvs_cnn), " + ", ".join(f"q{i + 1} AS (SELECT s * s AS s FROM q{i})" for i in range(30)) + " SELECT s FROM q30", "written into each other"),
    ("SELECT DISTANCE(0, 0, 0, s) AS s FROM (" * 12 + "SELECT teff AS s FROM rvs_cnn" + ") AS q" * 12, "written into each other"),
    # products of tables
    ("SELECT 1 AS x FROM " + ", ".join(f"rvs_cnn t{i}" for i in range(MAX_TABLES + 1)), f"reads more than {MAX_TABLES} tables"),
    (" UNION ".join(["SELECT teff FROM rvs_cnn"] * (MAX_TABLES + 1)), f"more than {MAX_TABLES} SELECTs"),
    # numbers, lists and names
    ("SELECT teff FROM rvs_cnn WHERE teff IN (" + ",".join("1" * 30_000) + ")", "at most 20000 are read"),
    ("SELECT " + "a." * 30_000 + "teff FROM rvs_cnn", "at most 20000 are read"),
    ("SELECT " + "x" * 90_000 + " FROM rvs_cnn", "no column"),
    ("SELECT POLYGON(" + ", ".join("1" * 8000) + ") FROM rvs_cnn", "POLYGON"),
]  # fmt: skip


@pytest.mark.parametrize(("adql", "message"), BOMBS, ids=[message for _, message in BOMBS])
def test_small_queries_that_become_large(adql, message):
    assert len(adql) < MAX_LENGTH
    with pytest.raises(QueryError, match=message):
        translate(adql, TABLES)


def test_texts_that_double_are_cut(published):
    inner = "SELECT TOP 1 '" + "x" * 1000 + "' AS s FROM rvs_cnn"
    for i in range(4):
        inner = f"SELECT s || s || s || s AS s FROM ({inner}) AS q{i}"
    ((text,),) = run_query(published, inner).rows
    assert text == "x" * MAX_TEXT


def test_a_product_of_tables_is_stopped(published):
    """It cannot be told from its text: the row limit ends it, or the time limit does."""
    tables = ", ".join(f"tap_schema.columns t{i}" for i in range(12))
    assert len(run_query(published, f"SELECT t0.column_name FROM {tables}", 10, 20.0).rows) == 10
    with pytest.raises(QueryError, match=r"longer than 0\.3 s"):
        run_query(
            published,
            f"SELECT COUNT(*) FROM {tables} WHERE t0.column_index < t1.column_index + t2.column_index + RAND()",
            10,
            0.3,
        )


def test_nothing_is_changed(published):
    before = published.execute("SELECT COUNT(*), SUM(teff) FROM catalogue.rvs_cnn").fetchone()
    for adql, _ in HOSTILE:
        with pytest.raises(QueryError):
            run_query(published, adql)
    assert published.execute("SELECT COUNT(*), SUM(teff) FROM catalogue.rvs_cnn").fetchone() == before
    assert published.execute("SHOW role").fetchone() == ("none",)


def test_functions_of_the_database_are_offered_by_list_only():
    """Whatever PostgreSQL has besides, by any spelling, is refused."""
    offered = {*FUNCTIONS, *USER_FUNCTIONS}
    for name in ("pg_sleep", "PG_SLEEP", "Pg_Sleep", '"pg_sleep"', "pg_sleep "):
        assert name.strip('" ').upper() not in offered
        with pytest.raises(QueryError, match=r'PG_SLEEP"? is not offered'):
            translate(f"SELECT {name}(1) FROM rvs_cnn", TABLES)
