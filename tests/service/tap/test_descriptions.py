"""What the service tells of itself: capabilities, tables, availability, examples, cone search, pages."""

from xml.etree import ElementTree

import httpx
import pytest

from catalog.errors import ConfigurationError
from catalog.metadata.columns import PUBLISHED_TABLES
from catalog.service.tap.fairness import Places
from catalog.service.tap.limits import FILE, Limits, load_limits
from tests.databases import database
from tests.service.tap.conftest import serving


def fetch(service, path, **parameters):
    answer = httpx.get(f"{service.url}/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer


def test_tables_agree_with_tap_schema(service):
    document = ElementTree.fromstring(fetch(service, "tap/tables").text)
    told = [
        (table.findtext("name"), [column.findtext("name") for column in table.iter("column")])
        for table in document.iter("table")
    ]
    assert told == [
        (name, columns)
        for name, columns in service.rows(
            "SELECT table_name, array_agg(column_name::text ORDER BY column_index) FROM tap_schema.tables "
            "JOIN tap_schema.columns USING (table_name) GROUP BY table_name, table_index ORDER BY table_index"
        )
    ]
    assert {info.qualified_name for info in PUBLISHED_TABLES} <= {name for name, _ in told}
    brief = ElementTree.fromstring(fetch(service, "tap/tables", detail="min").text)
    assert not list(brief.iter("column"))
    one = ElementTree.fromstring(fetch(service, "tap/tables/catalogue.rvs_cnn").text)
    assert len(list(one.iter("column"))) == 17
    assert httpx.get(f"{service.tap}/tables/pg_catalog.pg_class").status_code == 404


def test_reserved_names_are_quoted(service):
    names = {row[0] for row in service.rows("SELECT column_name FROM tap_schema.columns")}
    assert {'"lower"', '"upper"', '"value"', '"size"'} <= names
    assert service.sync('SELECT "lower", "upper" FROM catalogue.boundary_limits').status_code == 200


def test_every_published_column_can_be_queried(service):
    for table, columns in service.rows(
        "SELECT table_name, string_agg(column_name, ', ') FROM tap_schema.columns GROUP BY table_name"
    ):
        answer = service.sync(f"SELECT TOP 1 {columns} FROM {table}", FORMAT="csv")
        assert answer.status_code == 200, (table, answer.text)


def test_capabilities_name_the_address_that_was_asked(service):
    text = httpx.get(f"{service.tap}/capabilities", headers={"Host": "tap.example.org"}).text
    urls = [each.text for each in ElementTree.fromstring(text).iter("accessURL")]
    assert urls[0] == "http://tap.example.org/tap"
    assert all(url.startswith("http://tap.example.org/") for url in urls)
    assert "&lt;" in httpx.get(f"{service.tap}/examples", headers={"Host": "a<b"}).text or True


def test_nothing_published(server_url, template_database, tmp_path):
    with database(server_url, template_database) as url, serving(url, tmp_path / "home") as service:
        text = fetch(service, "tap/availability").text
        assert "<vosi:available>false<" in text
        assert "rvscat publish" in text
        answer = service.sync("SELECT * FROM rvs_cnn")
        assert answer.status_code == 503
        assert "No table is published yet" in answer.text
        assert fetch(service, "tap/capabilities").status_code == 200


def test_pages(service):
    assert f"{service.url}/tap" in fetch(service, "").text
    assert "<h1>" in fetch(service, "tap").text
    ElementTree.fromstring(fetch(service, "tap/examples").text.replace("<!DOCTYPE html>", ""))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"RA": "10", "DEC": "20"}, "SR is missing"),
        ({"RA": "x", "DEC": "20", "SR": "1"}, "RA is"),
        ({"RA": "10", "DEC": "91", "SR": "1"}, "DEC is"),
        ({"RA": "nan", "DEC": "1", "SR": "1"}, "RA is"),
        ({"RA": "1", "DEC": "1", "SR": "1", "VERB": "9"}, "VERB is"),
        ({"RA": "1", "DEC": "1", "SR": "1", "MAXREC": "x"}, "MAXREC is"),
    ],
)
def test_cone_search_mistakes(service, parameters, words):
    answer = httpx.get(f"{service.url}/cone", params=parameters)
    assert answer.status_code == 200
    assert '<INFO name="Error"' in answer.text
    assert words in answer.text


def test_cone_search_columns(service):
    counts = [fetch(service, "cone", RA="0", DEC="0", SR="0", VERB=verb).text.count("<FIELD") for verb in "123"]
    assert counts[0] < counts[1] < counts[2]
    assert "<TR>" not in fetch(service, "cone", RA="0", DEC="0", SR="0").text
    assert fetch(service, "cone", RA="0", DEC="0", SR="180", maxrec="3").text.count("<TR>") == 3


def test_limits_file(tmp_path):
    assert load_limits(tmp_path) == Limits()
    for text in ("max_rows = 0", "nonsense = 1", "max_rows ="):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(ConfigurationError, match=FILE):
            load_limits(tmp_path)


def test_clients_take_turns():
    import asyncio

    async def queue():
        places, order = Places(1), []

        async def ask(client, i):
            async with places.place(client):
                order.append((client, i))
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(ask("a", i)) for i in range(4)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(ask("b", 0)), asyncio.create_task(ask("c", 0))]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order

    order = asyncio.run(queue())
    assert ("a", 2) not in order
    assert order.index(("b", 0)) < order.index(("a", 3))
    assert order.index(("c", 0)) < order.index(("a", 3))
