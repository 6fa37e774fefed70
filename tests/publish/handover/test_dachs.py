"""The resource descriptor describes what is in the database, and nothing in it becomes markup or a macro."""

import re
import xml.etree.ElementTree as ET

import pytest

from catalog.publish.handover.dachs import dachs_files
from catalog.publish.handover.subject import read_subject
from tests.publish.handover.conftest import HOSTILE, N_STARS, described

TYPES = {
    "smallint": "short",
    "bigint": "long",
    "real": "float",
    "double precision": "double",
}


@pytest.fixture
def files(subject):
    return dachs_files(subject)


@pytest.fixture
def descriptor(files):
    return ET.fromstring(files["q.rd"])


def test_columns_are_those_of_tap_schema(connection, subject, descriptor):
    told = described(connection, subject)
    tables = {table.get("id"): table for table in descriptor.iter("table")}
    assert set(tables) == set(told)
    for name, columns in told.items():
        found = []
        for column in tables[name].iter("column"):
            kind = column.get("type")
            assert kind is not None
            if kind == "text":
                datatype, arraysize = "char", None
            elif match := re.fullmatch(r"char\((\d+)\)", kind):
                datatype, arraysize = "char", match[1]
            else:
                datatype, arraysize = TYPES[kind], None
            found.append(
                (
                    (column.get("name") or "").removeprefix("quoted/"),
                    datatype,
                    arraysize,
                    column.get("unit", ""),
                    column.get("ucd"),
                    column.get("description"),
                    int(column.get("verbLevel") == "1"),
                )
            )
        # Of text, DaCHS knows either a fixed length or none.
        fixed = [
            (n, t, None if t != "char" or d.endswith("text") else size, u, ucd, d, p)
            for n, t, size, u, ucd, d, p, _ in columns
        ]
        lengths = {n: size for n, t, size, *_ in columns if t == "char"}
        assert [row[:2] + row[3:] for row in found] == [row[:2] + row[3:] for row in fixed]
        for row in found:
            if row[2] is not None:
                assert row[2] == lengths[row[0]]


def test_nulls_and_reserved_words(connection, descriptor):
    rows = connection.execute(
        "SELECT c.relname, a.attname, a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
        "WHERE c.relnamespace = 'catalogue'::regnamespace AND c.relname LIKE '%\\_v1' AND a.attnum > 0"
    ).fetchall()
    required = {(table.removesuffix("_v1"), column): notnull for table, column, notnull in rows}
    for table in descriptor.iter("table"):
        for column in table.iter("column"):
            name = column.get("name")
            if (table.get("id"), name) in required:
                assert (column.get("required") == "True") == required[table.get("id"), name], name
            integer = column.get("type") in ("smallint", "bigint")
            assert (column.find("values") is not None) == (integer and column.get("required") is None), name
            assert name not in ("lower", "upper", "value")


def test_nothing_is_copied_or_made(descriptor):
    (data,) = descriptor.iter("data")
    assert data.get("updating") == "True"
    assert data.find("nullGrammar") is not None
    assert descriptor.findall(".//script") == descriptor.findall(".//viewStatement") == []
    assert {index.get("metaOnly") for index in descriptor.iter("index")} == {"True"}
    assert {key.get("metaOnly") for key in descriptor.iter("foreignKey")} == {"True"}


def test_references_stand_before_what_refers(descriptor):
    seen: set[str | None] = set()
    for element in descriptor:
        for name in [key.get("inTable") for key in element.iter("foreignKey")] + [
            make.get("table") for make in element.iter("make")
        ]:
            assert name in seen
        if element.tag == "table":
            seen.add(element.get("id"))


def test_index_is_the_one_that_is_declared(connection, files, descriptor):
    (index,) = [index for index in descriptor.iter("index") if index.get("kind") == "spoint"]
    assert index.text in files["indexes.sql"]
    assert "rvs_cnn_extended_v1" in files["indexes.sql"]


def test_hostile_text_stays_text(files, descriptor):
    assert "<script>" not in files["q.rd"]
    titles = [meta.text for meta in descriptor.findall("meta") if meta.get("name") == "title"]
    assert [title.replace("\\\\", "\\") for title in titles] == [HOSTILE]
    # A lone backslash would be a macro of DaCHS.
    assert not re.search(r"(?<!\\)\\(\\\\)*(?!\\)", files["q.rd"])
    for name, text in files.items():
        if name.endswith(".sql"):
            assert "DROP TABLE" not in text


def test_tests_are_made_of_rows(connection, descriptor):
    wanted = connection.execute(
        "SELECT sourceid, teff, flag_boundary FROM catalogue.rvs_cnn ORDER BY sourceid::bigint"
    ).fetchall()
    codes = ["".join(code.itertext()) for code in descriptor.iter("code")]
    for sourceid, teff, flag in (wanted[0], wanted[-1]):
        assert any(f'"{sourceid}"' in code for code in codes)
        assert any(f'("teff", {teff!r})' in code and f'"{flag}"' in code for code in codes)
    assert any(f"{len(wanted)})" in code for code in codes)
    for code in codes:
        compile("if True:" + code, "regTest", "exec")


@pytest.mark.parametrize("version", [None, 1])
def test_sql_runs(connection, hostile, version):
    files = dachs_files(read_subject(connection, hostile, version))
    roles = ("gavo", "gavoadmin", "untrusted")
    known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    for role in roles:
        if role not in known:
            connection.execute(f"CREATE ROLE {role}")
    connection.execute(files["functions.sql"])
    connection.execute(files["grants.sql"])
    suffix = "" if version is None else "_v1"
    for role in roles:
        allowed = connection.execute(
            "SELECT has_schema_privilege(%s, 'catalogue', 'USAGE'), has_table_privilege(%s, %s, 'SELECT'), "
            "has_table_privilege(%s, %s, 'INSERT, UPDATE, DELETE, TRUNCATE')",
            (role, role, f"catalogue.rvs_cnn{suffix}", role, f"catalogue.rvs_cnn{suffix}"),
        ).fetchone()
        assert allowed == (True, True, False)
    connection.execute("SET LOCAL ROLE untrusted")
    assert connection.execute(f"SELECT count(*) FROM catalogue.rvs_cnn{suffix}").fetchone() == (N_STARS,)
    connection.execute("RESET ROLE")
    connection.execute(files["withdraw.sql"])
    rights = "SELECT has_table_privilege('untrusted', %s, 'SELECT')"
    assert connection.execute(rights, (f"catalogue.rvs_cnn{suffix}",)).fetchone() == (False,)
    connection.rollback()


def test_version_is_handed_over_by_its_tables(connection, hostile):
    files = dachs_files(read_subject(connection, hostile, 1))
    names = [table.get("id") for table in ET.fromstring(files["q.rd"]).iter("table")]
    assert sorted(names) == ["boundary_limits_v1", "rvs_cnn_extended_v1", "rvs_cnn_v1"]
    assert "catalogue.rvs_cnn_v1 WHERE" in files["q.rd"]
