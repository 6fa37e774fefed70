"""Answers and the page tell where the catalogue comes from, and under which licence."""

import io

import httpx
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse

from tests.service.tap.conftest import serving

PRODUCER = """
publisher = "An observatory & co."
licence = "CC-BY-4.0"
doi = "10.12345/example"
reference = "https://example.org/about"

[contact]
email = "help@example.org"

[[creators]]
name = "Family name, Given name"

[[creators]]
name = "A <collaboration>"
kind = "Organizational"
"""
SAID = {
    ("publisher", "An observatory & co."),
    ("contact", "help@example.org"),
    ("citation", "doi:10.12345/example"),
    ("reference_url", "https://example.org/about"),
    ("resource_version", "1"),
    ("rights", "CC-BY-4.0"),
    ("rights_uri", "https://creativecommons.org/licenses/by/4.0/"),
    ("creator", "Family name, Given name"),
    ("creator", "A <collaboration>"),
    ("article", "2024A&A...682A...9G"),
}
ADQL = "SELECT TOP 2 sourceid\nFROM rvs_cnn WHERE teff < 1e30 AND sourceid <> '<&>'"


@pytest.fixture(scope="module")
def known(published_url, tmp_path_factory):
    home = tmp_path_factory.mktemp("known")
    (home / "handover.toml").write_text(PRODUCER)
    with serving(published_url, home) as running:
        yield running


def infos(content):
    return {(info.name, info.value) for info in parse(io.BytesIO(content)).resources[0].infos}


def test_queries(known):
    for name in ("votable", "votable/td"):
        told = infos(known.sync(ADQL, RESPONSEFORMAT=name).content)
        assert told >= SAID
        assert ("service_protocol", "ivo://ivoa.net/std/TAP") in told
        assert [value for name, value in told if name == "query"] == [ADQL]
        assert {"server_software", "request_date", "QUERY_STATUS"} <= {name for name, _ in told}
    header = fits.getheader(io.BytesIO(known.sync(ADQL, RESPONSEFORMAT="fits").content), 1)
    assert "rights: CC-BY-4.0" in list(header["HISTORY"])
    table = pq.read_table(io.BytesIO(known.sync(ADQL, RESPONSEFORMAT="parquet").content))
    footer = table.schema.metadata[b"IVOA.VOTable-Parquet.content"]
    assert infos(footer) >= SAID


def test_jobs_and_cones(known):
    job = httpx.post(f"{known.tap}/async", data={"LANG": "ADQL", "QUERY": ADQL, "PHASE": "RUN"}, follow_redirects=True)
    url = str(job.url)
    httpx.get(url, params={"WAIT": "30"}, timeout=40)
    assert infos(httpx.get(f"{url}/results/result", follow_redirects=True).content) >= SAID
    told = infos(httpx.get(f"{known.url}/cone?RA=10&DEC=10&SR=1").content)
    assert told >= SAID
    assert ("service_protocol", "ivo://ivoa.net/std/ConeSearch") in told


def test_page(known, service):
    page = httpx.get(known.url).text
    assert '<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC-BY-4.0</a>' in page
    assert "A &lt;collaboration&gt;" in page
    assert 'href="https://doi.org/10.12345/example"' in page
    assert "not stated" not in page
    assert "Licence: not stated;" in httpx.get(service.url).text


def test_nothing_is_made_up(service):
    told = {name for name, _ in infos(service.sync(ADQL).content)}
    assert not told & {"publisher", "creator", "rights", "rights_uri", "citation", "contact"}
    assert "query" not in {name for name, _ in infos(service.sync(f"{ADQL} AND {' ' * 10_000}mh < 1").content)}
