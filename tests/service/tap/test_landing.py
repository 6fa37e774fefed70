"""The page in the browser: structure, what it tells, security, and which other sites may read answers (CORS)."""

import io
import time

import html5lib
import httpx
import numpy as np
import psycopg
import pytest
from PIL import Image

from catalog.service.tap.examples import EXAMPLES
from catalog.service.tap.landing import CONTENT_SECURITY_POLICY
from catalog.service.tap.landing_sky import ORDER, draw_sky
from catalog.sky.frames import galactic_to_icrs
from catalog.sky.healpix import pixels
from tests.databases import database
from tests.service.tap.conftest import N_STARS, publish, serving

XHTML = "{http://www.w3.org/1999/xhtml}"
ORIGIN = {"Origin": "https://aladin.example.org"}
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror='alert(2)'>"


def parsed(answer):
    """The document; any error that the HTML standard names fails."""
    parser = html5lib.HTMLParser(strict=True)
    return parser.parse(answer.content, transport_encoding="utf-8")


def texts(document, tag, name=None):
    found = [node for node in document.iter(f"{XHTML}{tag}") if name is None or name in node.get("class", "").split()]
    return ["".join(node.itertext()) for node in found]


@pytest.fixture(scope="module")
def page(service):
    answer = httpx.get(service.url, timeout=30)
    assert answer.status_code == 200
    return parsed(answer)


def test_it_says_what_the_catalogue_is(service, page):
    facts = dict(zip(texts(page, "dt"), texts(page, "dd"), strict=True))
    n_inside = service.rows("SELECT count(*) FROM catalogue.rvs_cnn WHERE flag_boundary = '00000000'")[0][0]
    n_training = service.rows("SELECT count(*) FROM catalogue.rvs_cnn_extended WHERE role = 'training'")[0][0]
    assert facts["stars"] == f"{N_STARS:,}"
    assert facts["of the training sample itself"] == str(n_training)
    assert next(value for name, value in facts.items() if "00000000" in name).split()[0] == str(n_inside)
    assert facts["data release"] == "Gaia DR3"
    assert facts["version"] == "1"
    assert "https://doi.org/10.1051/0004-6361/202347122" in [node.get("href") for node in page.iter(f"{XHTML}a")]


def test_it_lists_all_columns_with_units_and_ucds(service, page):
    found = {}
    for table in page.iter(f"{XHTML}details"):
        rows = [["".join(cell.itertext()).strip() for cell in row] for row in table.iter(f"{XHTML}tr")][1:]
        found |= {(table.get("id"), row[0].split()[0]): row[1:] for row in rows}
    expected = {
        (table, name): [(unit or "").strip("'"), ucd or "", words]
        for table, name, unit, ucd, words in service.rows(
            "SELECT table_name, column_name, unit, ucd, description FROM tap_schema.columns"
        )
    }
    assert {key: [unit, ucd, words] for key, (unit, ucd, _, words) in found.items()} == expected


def test_the_form_works_without_scripts(service, page):
    form = next(page.iter(f"{XHTML}form"))
    fields = {node.get("name"): node.get("value") for node in form.iter(f"{XHTML}input") if node.get("name")}
    fields["QUERY"] = texts(page, "textarea")[0]
    assert fields["QUERY"] == EXAMPLES[0].query
    buttons = [node.get("value") for node in form.iter(f"{XHTML}button") if node.get("name") == "RESPONSEFORMAT"]
    assert {"votable", "fits", "csv", "parquet"} <= set(buttons)
    for value in buttons:
        answer = httpx.post(f"{service.url}{form.get('action')}", data={**fields, "RESPONSEFORMAT": value}, timeout=30)
        assert answer.status_code == 200, (value, answer.text)


def test_its_examples_are_those_of_the_service(page):
    links = [node for node in page.iter(f"{XHTML}a") if node.get("data-query")]
    assert [(node.text, node.get("data-query")) for node in links] == [(each.name, each.query) for each in EXAMPLES]


# TapPlus leaves its sockets open.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("client", ["pyvo", "astroquery"])
def test_its_lines_for_python_run(page, client):
    headings = texts(page, "h3")
    lines = texts(page, "pre")[headings.index(client)]
    names = {}
    exec(lines, names)
    assert len(names["stars"]) == 5


def test_nothing_comes_from_elsewhere_and_nothing_is_inline(service, page):
    assert {node.tag for node in page.iter(f"{XHTML}style")} == set()
    for node in page.iter():
        assert not [name for name in node.attrib if name.lower().startswith("on") or name == "style"], node.attrib
        for name in ("src", "href", "{http://www.w3.org/1999/xlink}href", "action"):
            value = node.get(name, "/")
            assert value.startswith(("/", "#")) or node.tag == f"{XHTML}a", value
            # References to the paper and to this page's own parts.
            assert value.startswith(("/", "#", "https://doi.org/")), value
    assert [node for node in page.iter(f"{XHTML}script") if not node.get("src") or node.text] == []
    policy = httpx.get(service.url).headers["content-security-policy"]
    assert policy == CONTENT_SECURITY_POLICY
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_files_are_kept_by_browsers(service, page):
    addresses = [node.get("src") or node.get("href") for node in page.iter() if "/page/" in str(node.attrib)]
    assert [each.partition("?")[0].rpartition("/")[2] for each in addresses] == [
        "icon.svg", "landing.css", "landing.js", "sky.png",
    ]  # fmt: skip
    for address in addresses:
        answer = httpx.get(f"{service.url}{address}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        tag = {"If-None-Match": answer.headers["etag"]}
        again = httpx.get(f"{service.url}{address}", headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert httpx.get(f"{service.url}{address.partition('?')[0]}?v=old").headers["cache-control"] == "no-cache"
    for path in ("", "/tap", "/tap/"):
        first = httpx.get(f"{service.url}{path}")
        tag = {"If-None-Match": first.headers["etag"]}
        assert httpx.get(f"{service.url}{path}", headers=tag).status_code == 304
    assert httpx.get(f"{service.url}/page/landing.html.j2").status_code == 404
    assert httpx.get(f"{service.url}/page/..%2Flanding.py").status_code == 404


def test_the_sky_has_its_stars_where_they_are():
    # A spot at l = 90, b = 30: left of the middle, above the plane.
    n = np.array([3000])
    spot = pixels(*galactic_to_icrs(np.array([90.0]), np.array([30.0])), ORDER)
    rest = np.arange(12 * 4**ORDER)
    image = Image.open(io.BytesIO(draw_sky(np.append(rest, spot), np.append(np.ones_like(rest), n)).png))
    colours = np.asarray(image.convert("RGBA")).astype(int)
    yellow = (colours[..., 0] > 230) & (colours[..., 1] > 200) & (colours[..., 2] < 80)
    y, x = np.nonzero(yellow)
    height, width = yellow.shape
    # Mollweide: 2 theta + sin(2 theta) = pi sin(b).
    theta = 0.4159
    assert abs(x.mean() / width - (0.5 - 0.25 * np.cos(theta))) < 0.01
    assert abs(y.mean() / height - (0.5 - 0.5 * np.sin(theta))) < 0.01
    assert colours[0, 0, 3] == 0
    assert draw_sky(np.array([], int), np.array([], int)).png


def test_the_sky_follows_a_new_version(server_url, template_database, tmp_path):
    with database(server_url, template_database) as url, serving(url, tmp_path / "home") as service:
        empty = httpx.get(service.url)
        assert empty.status_code == 200
        assert "Nothing is published yet" in texts(parsed(empty), "p", "notice")[0]
        assert texts(parsed(empty), "form") == []
        assert httpx.get(f"{service.url}/page/sky.png").status_code == 404
        with psycopg.connect(url) as connection:
            publish(connection, 20)
        first = parsed(httpx.get(service.url, timeout=30))
        assert texts(first, "dd")[0] == "20"
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE catalogue.rvs_cnn_extended_v2 (LIKE catalogue.rvs_cnn_extended_v1)")
            connection.execute(
                "INSERT INTO catalogue.rvs_cnn_extended_v2 SELECT * FROM catalogue.rvs_cnn_extended LIMIT 7"
            )
            columns = connection.execute("SELECT * FROM catalogue.rvs_cnn_extended LIMIT 0").description
            names = ", ".join(f'"{column.name}"' for column in columns)
            connection.execute(
                "CREATE OR REPLACE VIEW catalogue.rvs_cnn_extended AS "
                f"SELECT {names} FROM catalogue.rvs_cnn_extended_v2"
            )
            connection.execute("GRANT SELECT ON catalogue.rvs_cnn_extended_v2 TO rvscat_reader")
            connection.execute("UPDATE catalogue.rvs_cnn_extended_v2 SET release = 'dr3-mock-7-1'")
        second = parsed(httpx.get(service.url, timeout=30))
        assert texts(second, "dd")[0] == "7"
        assert texts(second, "dd")[-1] == "2"
        assert "synthetic" in "".join(texts(second, "p", "notice"))


def test_hostile_values_stay_text(server_url, template_database, tmp_path):
    with database(server_url, template_database) as url:
        with psycopg.connect(url) as connection:
            publish(connection, 20)
            for statement in (
                "UPDATE tap_schema.columns SET description = %s, ucd = %s, unit = left(%s, 64)",
                "UPDATE tap_schema.tables SET description = concat(%s::text, %s::text, %s::text)",
                "UPDATE catalogue.rvs_cnn_extended_v1 SET release = concat(%s::text, left(%s::text, 0), left(%s, 0))",
            ):
                connection.execute(statement, [HOSTILE] * 3)
        with serving(url, tmp_path / "home") as service:
            # uvicorn and h11 let a name through that no browser sends.
            answer = httpx.get(service.url, headers={"Host": 'a"><script>b'}, timeout=30)
            document = parsed(answer)
            assert [node.get("src", "")[:6] for node in document.iter(f"{XHTML}script")] == ["/page/"]
            assert list(document.iter(f"{XHTML}img")) == []
            assert HOSTILE in "".join(texts(document, "td"))
            assert HOSTILE in "".join(texts(document, "dd"))


def test_a_database_that_is_away_is_told(published_url, tmp_path):
    with serving(published_url, tmp_path / "home") as service:
        assert httpx.get(service.url).status_code == 200
        with psycopg.connect(published_url, autocommit=True) as connection:
            name = connection.info.dbname
        maintenance = published_url.replace(f"/{name}", "/postgres", 1)
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            try:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
                answer = httpx.get(service.url, timeout=30)
                assert answer.status_code == 503
                assert "The database does not answer" in texts(parsed(answer), "p", "notice")[0]
                assert answer.headers["retry-after"]
            finally:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        end = time.monotonic() + 10
        while httpx.get(service.url).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.parametrize("path", ["sync", "tables", "capabilities", "availability", "examples"])
def test_scripts_of_other_sites_may_read(service, path):
    parameters = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 mh FROM rvs_cnn"} if path == "sync" else {}
    for method in ("GET", "HEAD"):
        answer = httpx.request(method, f"{service.tap}/{path}", params=parameters, headers=ORIGIN)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = httpx.options(f"{service.tap}/{path}", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    refused = httpx.options(f"{service.tap}/{path}", headers={**ORIGIN, "Access-Control-Request-Method": "DELETE"})
    assert refused.status_code == 400


def test_scripts_of_other_sites_read_posts_and_errors(service):
    for query, status in (("SELECT TOP 1 mh FROM rvs_cnn", 200), ("SELECT nothing", 400)):
        answer = httpx.post(f"{service.tap}/sync", data={"LANG": "ADQL", "QUERY": query}, headers=ORIGIN)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*"
    assert (
        httpx.get(f"{service.url}/cone?RA=1&DEC=1&SR=0", headers=ORIGIN).headers["access-control-allow-origin"] == "*"
    )


def test_jobs_are_nobody_elses(service):
    for path in ("async", "async/", "async/0123456789abcdef0123456789abcdef"):
        answer = httpx.get(f"{service.tap}/{path}", headers=ORIGIN)
        assert "access-control-allow-origin" not in answer.headers
        asked = {**ORIGIN, "Access-Control-Request-Method": "DELETE"}
        assert "access-control-allow-origin" not in httpx.options(f"{service.tap}/{path}", headers=asked).headers


def test_which_sites_is_a_setting(serve):
    with serve('allow_origins = ["https://portal.example.org"]\n') as service:
        for origin, allowed in (("https://portal.example.org", True), ("https://other.example.org", False)):
            answer = httpx.get(f"{service.tap}/availability", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
            assert "origin" in answer.headers["vary"].lower()
