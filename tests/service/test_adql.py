"""Queries that are answered, executed on PostgreSQL, and what their columns are."""
# ruff: noqa: E501  (one query a line)

import math

import psycopg
import pytest

from catalog.errors import QueryError
from catalog.service.adql import prepare, translate
from catalog.service.query import run_query

TABLES = {
    "catalogue.rvs_cnn": ["sourceid", "teff", "logg", "flag_boundary"],
    "catalogue.rvs_cnn_extended": ["source_id", "sourceid", "ra", "dec"],
    "tap_schema.columns": ["table_name", "column_name", "size"],
}

ANSWERS = [
    # selection, names, order
    ("SELECT TOP 2 sourceid FROM catalogue.rvs_cnn ORDER BY teff", [("1003",), ("1001",)]),
    ("select top 1 SourceID, TEFF from RVS_CNN order by Teff desc", [("1004", 6900.0)]),
    ("SELECT sourceid FROM rvs_cnn ORDER BY teff OFFSET 3", [("1002",), ("1004",)]),
    ("SELECT TOP 1 sourceid FROM rvs_cnn ORDER BY teff OFFSET 3;", [("1002",)]),
    ("SELECT sourceid -- the star\nFROM rvs_cnn WHERE teff > 6000 -- hot", [("1004",)]),
    ("SELECT r.teff AS t FROM catalogue.rvs_cnn AS r WHERE r.sourceid = '1002'", [(5777.0,)]),
    ("SELECT catalogue.rvs_cnn.teff FROM catalogue.rvs_cnn WHERE sourceid = '1002'", [(5777.0,)]),
    ("SELECT TOP 0 * FROM rvs_cnn", []),
    ("SELECT DISTINCT flag_boundary FROM rvs_cnn WHERE teff < 6000 ORDER BY 1", [("00000000",), ("00100000",), ("10000001",)]),
    ("SELECT sourceid, teff + logg AS s FROM rvs_cnn WHERE teff < 5000 ORDER BY s / 2 DESC", [("1001", 4802.5), ("1003", 3600.8)]),
    # conditions
    ("SELECT sourceid FROM rvs_cnn WHERE flag_boundary = '00000000' AND teff BETWEEN 4000 AND 5000", [("1001",)]),
    ("SELECT sourceid FROM rvs_cnn WHERE flag_boundary LIKE '1%' AND NOT teff > 5000", [("1003",)]),
    ("SELECT sourceid FROM rvs_cnn WHERE sourceid IN ('1004', '1005') AND mh < 0", [("1005",)]),
    ("SELECT sourceid FROM rvs_cnn WHERE sourceid NOT IN ('1001','1002','1003') AND logg <> 3.25 AND teff > 6000", [("1004",)]),
    ("SELECT COUNT(*) FROM rvs_cnn_extended WHERE ruwe IS NULL", [(5,)]),
    ("SELECT COUNT(*) FROM rvs_cnn_extended WHERE ruwe IS NOT NULL", [(0,)]),
    ("SELECT 'it''s 100%' || ' ' || sourceid FROM rvs_cnn WHERE sourceid ILIKE '100_' AND teff > 6000", [("it's 100% 1004",)]),
    # joins, subqueries, WITH, sets
    ("SELECT a.sourceid, b.ra FROM rvs_cnn a JOIN rvs_cnn_extended b ON a.sourceid = b.sourceid WHERE b.dec > 80", [("1005", 187.0)]),
    ("SELECT sourceid, ra FROM rvs_cnn JOIN rvs_cnn_extended USING (sourceid) WHERE teff > 6000", [("1004", 0.1)]),
    ("SELECT sourceid, teff FROM rvs_cnn NATURAL JOIN rvs_cnn_extended WHERE dec > 80", [("1005", 5100.0)]),
    ("SELECT a.sourceid FROM rvs_cnn a, rvs_cnn_extended b WHERE a.sourceid = b.sourceid AND b.flag_bits = 129", [("1003",)]),
    ("SELECT a.sourceid FROM rvs_cnn a LEFT OUTER JOIN rvs_cnn_extended b ON a.sourceid = b.sourceid AND b.ra > 300 WHERE b.ra IS NOT NULL", [("1003",)]),
    ("SELECT x.s FROM (SELECT sourceid AS s, teff FROM rvs_cnn) AS x WHERE x.teff > 6000", [("1004",)]),
    ("SELECT sourceid FROM rvs_cnn r WHERE EXISTS (SELECT * FROM rvs_cnn_extended e WHERE e.sourceid = r.sourceid AND e.dec > 80)", [("1005",)]),
    ("SELECT sourceid FROM rvs_cnn WHERE teff = (SELECT MAX(teff) FROM rvs_cnn)", [("1004",)]),
    ("WITH hot AS (SELECT * FROM rvs_cnn WHERE teff > 5500) SELECT COUNT(*) AS n FROM hot", [(2,)]),
    ("WITH a AS (SELECT teff FROM rvs_cnn), b(t) AS (SELECT teff FROM a) SELECT MIN(t) FROM b", [(3600.0,)]),
    # A WITH query may bear any name, a system table's too, and is never mistaken for it.
    ("WITH pg_user AS (SELECT 7 AS x FROM rvs_cnn) SELECT DISTINCT x FROM pg_user", [(7,)]),
    ("SELECT sourceid FROM rvs_cnn WHERE teff > 6000 UNION SELECT sourceid FROM rvs_cnn_extended WHERE dec > 80 ORDER BY sourceid", [("1004",), ("1005",)]),
    ("SELECT sourceid FROM rvs_cnn WHERE teff > 5500 EXCEPT SELECT sourceid FROM rvs_cnn WHERE teff > 6000", [("1002",)]),
    ("SELECT TOP 1 sourceid FROM rvs_cnn WHERE teff > 6000 UNION SELECT TOP 2 sourceid FROM rvs_cnn WHERE teff = 5100 OR teff = 3600 ORDER BY sourceid DESC", [("1005",), ("1004",), ("1003",)]),
    ("SELECT sourceid FROM rvs_cnn UNION ALL SELECT TOP 1 sourceid FROM rvs_cnn WHERE teff > 6000 ORDER BY sourceid DESC OFFSET 3", [("1003",), ("1002",), ("1001",)]),
    ("(SELECT sourceid FROM rvs_cnn WHERE teff > 6000)", [("1004",)]),
    # aggregates and CASE
    ("SELECT flag_boundary, COUNT(*) AS n FROM rvs_cnn GROUP BY flag_boundary HAVING COUNT(*) > 1", [("00000000", 2)]),
    ("SELECT COUNT(DISTINCT flag_boundary), AVG(teff), SUM(teff), MIN(teff), MAX(teff) FROM rvs_cnn WHERE teff < 5200", [(3, 4500.0, 13500.0, 3600.0, 5100.0)]),
    ("SELECT STDDEV(teff) FROM rvs_cnn WHERE sourceid IN ('1001', '1005')", [(pytest.approx(212.132, abs=1e-3),)]),
    ("SELECT CASE WHEN logg < 3.5 THEN 'giant' ELSE 'dwarf' END AS kind, COUNT(*) AS n FROM rvs_cnn GROUP BY kind ORDER BY kind", [("dwarf", 2), ("giant", 3)]),
    ("SELECT CASE flag_boundary WHEN '00000000' THEN 1 ELSE 0 END FROM rvs_cnn WHERE sourceid = '1001'", [(1,)]),
    # TAP_SCHEMA and its reserved word
    ("SELECT TOP 1 column_name, size FROM tap_schema.columns WHERE table_name = 'catalogue.rvs_cnn' ORDER BY column_index", [("sourceid", None)]),
    ('SELECT "size" AS "Size of it" FROM tap_schema.columns WHERE column_name = \'ra\'', [(None,)]),
]  # fmt: skip


@pytest.mark.parametrize(("adql", "rows"), ANSWERS)
def test_answers(published, adql, rows):
    found = run_query(published, adql).rows
    assert found == rows if "ORDER" in adql.upper() else sorted(found, key=str) == sorted(rows, key=str)


FUNCTIONS = [
    ("ABS(-2.5)", 2.5),
    ("CEILING(1.2)", 2.0),
    ("FLOOR(-1.2)", -2.0),
    ("DEGREES(PI())", 180.0),
    ("RADIANS(180)", math.pi),
    ("EXP(1)", math.e),
    ("LOG(10)", math.log(10)),  # natural
    ("LOG10(1000)", 3.0),
    ("MOD(7, 3)", 1.0),
    ("MOD(teff, 1000)", 777.0),
    ("MOD(-7, 3)", -1.0),
    ("POWER(2, 10)", 1024.0),
    ("SQRT(teff)", math.sqrt(5777.0)),
    ("ROUND(logg)", 4.0),
    ("ROUND(logg, 1)", 4.4),
    ("ROUND(teff, -2)", 5800.0),
    ("TRUNCATE(-4.77)", -4.0),
    ("TRUNCATE(logg, 1)", 4.4),
    ("ACOS(0.5)", math.acos(0.5)),
    ("ASIN(0.5)", math.asin(0.5)),
    ("ATAN(2)", math.atan(2)),
    ("ATAN2(1, -1)", math.atan2(1, -1)),
    ("COS(1)", math.cos(1)),
    ("SIN(1)", math.sin(1)),
    ("TAN(1)", math.tan(1)),
    ("COT(1)", 1 / math.tan(1)),
    ("RAND() - RAND() < 2", True),
    ("LOWER('ABC')", "abc"),
    ("UPPER(LOWER('aBc'))", "ABC"),
    ("COALESCE(NULL, teff, 3)", 5777.0),
    ("BITWISE_AND(6, 3)", 2),
    ("BITWISE_OR(6, 3)", 7),
    ("BITWISE_XOR(6, 3)", 5),
    ("BITWISE_AND(BITWISE_NOT(0), 5 + 2) * 2", 14),
    ("CAST(teff AS INTEGER)", 5777),
    ("CAST('12' AS SMALLINT) + 1", 13),
    ("CAST(sourceid AS BIGINT)", 1002),
    ("CAST('1.5' AS DOUBLE PRECISION)", 1.5),
    ("CAST('1.5' AS REAL)", 1.5),
    ("CAST(1002 AS VARCHAR)", "1002"),
    ("CAST(sourceid AS CHAR(2))", "10"),
    ("CAST('2024-01-02 03:04:05' AS TIMESTAMP)", "2024-01-02 03:04:05"),
    ("5 / 2", 2),
    ("-teff - -2 * (3 + 1)", -5769.0),
    ("1.5e3", 1500.0),
    ("0xFF + 0x10", 271),
    ("RAND(42) < 2", True),
]


@pytest.mark.parametrize(("expression", "value"), FUNCTIONS)
def test_functions(published, expression, value):
    ((found,),) = run_query(published, f"SELECT {expression} FROM rvs_cnn WHERE sourceid = '1002'").rows
    assert found == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)
    assert type(found) is type(value)


def test_columns_are_named_and_traced():
    columns = prepare(
        "WITH c AS (SELECT teff AS t, logg FROM rvs_cnn) "
        "SELECT t, c.logg AS g, COUNT(*), t / 2, e.ra, a.sourceid, e.sourceid FROM c, rvs_cnn a "
        "JOIN rvs_cnn_extended e USING (sourceid) GROUP BY 1, 2",
        TABLES,
    ).columns
    assert [(c.name, c.table, c.column) for c in columns] == [
        ("t", "catalogue.rvs_cnn", "teff"),
        ("g", "catalogue.rvs_cnn", "logg"),
        ("count", None, None),
        ("col4", None, None),
        ("ra", "catalogue.rvs_cnn_extended", "ra"),
        ("sourceid", "catalogue.rvs_cnn", "sourceid"),
        ("sourceid_2", "catalogue.rvs_cnn_extended", "sourceid"),
    ]


def test_a_star_gives_all_columns_in_order():
    names = [column.name for column in prepare("SELECT * FROM rvs_cnn", TABLES).columns]
    assert names == TABLES["catalogue.rvs_cnn"]


def test_top_is_lowered_to_the_row_limit():
    assert prepare("SELECT TOP 50 teff FROM rvs_cnn", TABLES).sql(10).endswith("LIMIT 10")
    assert prepare("SELECT TOP 5 teff FROM rvs_cnn", TABLES).sql(10).endswith("LIMIT 5")
    assert (
        prepare("SELECT teff FROM rvs_cnn UNION SELECT ra FROM rvs_cnn_extended", TABLES).sql(10).endswith("LIMIT 10")
    )
    assert "LIMIT" not in translate("SELECT teff FROM rvs_cnn", TABLES)


def test_ambiguous_table_name():
    tables = {"catalogue.x": ["a"], "tap_schema.x": ["a"]}
    with pytest.raises(QueryError, match=r"x is ambiguous\. Write catalogue\.x or tap_schema\.x"):
        translate("SELECT a FROM x", tables)
    assert '"tap_schema"."x"' in translate("SELECT a FROM tap_schema.x", tables)


MISTAKES = [
    ("SELECT tef FROM rvs_cnn", r"no column tef\. Did you mean teff"),
    ("SELECT * FROM rvs_cn", r"no published table rvs_cn\. Did you mean rvs_cnn"),
    ("SELECT ra FROM rvs_cnn", r"ra is ambiguous, or its table .* catalogue\.rvs_cnn_extended has one"),
    ("SELECT sourceid FROM rvs_cnn, rvs_cnn_extended", r"sourceid is ambiguous.*put the table's name before"),
    ('SELECT "TEFF" FROM rvs_cnn', r"no column TEFF\. Did you mean teff"),
    ("SELECT SQR(teff) FROM rvs_cnn", r"function SQR is not offered\. Did you mean SQRT"),
    ("SELECT SIN(teff, 1) FROM rvs_cnn", r"SIN takes 1 argument, not 2"),
    ("SELECT PI(1) FROM rvs_cnn", r"PI takes 0 arguments, not 1"),
    ("SELECT RAND(4, 2) FROM rvs_cnn", r"RAND takes 0 or 1 arguments, not 2"),
    ("SELECT 5teff FROM rvs_cnn", r"5teff is neither a number nor a name"),
    ("SELECT 0xFFg FROM rvs_cnn", r"0xFFg is neither a number nor a name"),
    ("SELECT CAST(sourceid AS CHAR(1000000000)) FROM rvs_cnn", r"not a length"),
    ("SELECT SUM(*) FROM rvs_cnn", r"SUM\(\*\) is not allowed\. Only COUNT"),
    ("SELECT COUNT(DISTINCT teff, logg) FROM rvs_cnn", r"COUNT\(DISTINCT …\) takes 1 argument, not 2"),
    ("SELECT SQRT(DISTINCT teff) FROM rvs_cnn", r"SQRT takes neither"),
    ("SELECT teff FROM rvs_cnn WHERE", r"not valid ADQL: .* line 1"),
    ("SELECT teff FROM rvs_cnn WHERE teff >", r"not valid ADQL"),
    ("SELECT FROM rvs_cnn", r"selects no columns"),
    ("SELECT teff FROM rvs_cnn EXCEPT SELECT FROM rvs_cnn", r"selects no columns"),
    ("SELECT", r"selects no columns"),
    ("SELECT teff FROM rvs_cnn LIMIT 5", r"no LIMIT\. Write SELECT TOP 10"),
    ("SELECT teff FROM rvs_cnn OUTER JOIN rvs_cnn_extended USING (sourceid)", r"Write LEFT, RIGHT or FULL"),
    ("SELECT x FROM rvs_cnn AS r(x)", r"renamed as a whole"),
    ("SELECT CAST(teff AS INTEGER(3)) FROM rvs_cnn", r"Only CHAR and VARCHAR have a length"),
    ("SELECT teff FROM rvs_cnn WHERE teff IN", r"nothing to look in"),
    ("SELECT teff FROM rvs_cnn WHERE 4000 < teff < 5000", r"compares a comparison\. Join conditions by AND"),
    ("SELECT teff FROM rvs_cnn GROUP BY", r"GROUP BY names no column|not valid"),
    ("WITH x AS (teff) SELECT * FROM x", r"is not a query\. WITH name AS"),
    ("SELECT teff FROM (SELECT teff FROM rvs_cnn", r"not valid ADQL"),
    ("SELECT 'teff FROM rvs_cnn", r"not valid ADQL"),
    ("SELECT TOP 1.5 teff FROM rvs_cnn", r"TOP 1\.5 is not a whole number"),
    ("SELECT TOP (SELECT 5) teff FROM rvs_cnn", r"TOP .* is not a whole number"),
    ("SELECT teff FROM rvs_cnn OFFSET teff", r"OFFSET teff is not a whole number"),
    ("", r"query is empty"),
    (" \n ", r"query is empty"),
    ("-- nothing", r"nothing but comments"),
    (";", r"nothing but comments"),
    ("SELECT a.teff FROM rvs_cnn a, rvs_cnn a", r"Two tables in FROM have the name a"),
]


@pytest.mark.parametrize(("adql", "message"), MISTAKES)
def test_mistakes_are_named(adql, message):
    with pytest.raises(QueryError, match=message):
        translate(adql, TABLES)


@pytest.mark.parametrize("adql", [adql for adql, _ in ANSWERS])
def test_only_published_tables_are_named(adql, published):
    """Whatever stands after FROM or JOIN is qualified, or a WITH query under a name that no table has."""
    from sqlglot import exp, parse_one

    for table in parse_one(run_query(published, adql).sql, dialect="postgres").find_all(exp.Table):
        assert table.db in ("catalogue", "tap_schema") or table.name.startswith("with ")


def test_the_database_agrees_on_names(published):
    """PostgreSQL gives the columns the names that were announced."""
    statement = prepare("SELECT teff AS T, COUNT(*) FROM rvs_cnn GROUP BY t", TABLES)
    cursor = published.execute(statement.sql())
    assert [column.name for column in cursor.description] == [column.name for column in statement.columns]
    assert isinstance(published, psycopg.Connection)
