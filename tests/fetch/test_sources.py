"""Sources of a release: addresses, routes, plans, and one way in for all routes."""

import os
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import ConfigurationError
from catalog.fetch import ArchiveSession, FetchError, HealpixRange, Selection
from catalog.fetch.endpoints import endpoints_of, resolved
from catalog.fetch.lock import locked
from catalog.fetch.sources import fetch_source, plan_source, route_of
from catalog.releases import Release, load_release
from catalog.releases.model import Source
from tests.fetch.archive import Archive
from tests.fetch.conftest import FOLDER, NAMES


@pytest.fixture(scope="module")
def release() -> Release:
    return load_release("dr3")


@pytest.fixture
def rvs(archive: Archive) -> Source:
    route = {"url": f"{archive.url}{FOLDER}", "prefix": "RvsMeanSpectrum"}
    return Source.model_validate({"title": "RVS", "product": "rvs", "default": "bulk", "bulk": route})


def test_every_source_leads_to_an_address_and_a_product(release: Release) -> None:
    endpoints = endpoints_of(release, environment={})
    assert endpoints == release.endpoints
    for name, source in release.sources.items():
        assert source.default in source.routes
        for route in source.routes:
            url = getattr(resolved(source, endpoints), route).url
            assert url.startswith("https://"), name
            assert url.endswith("/") or route != "bulk", name


def test_bulk_addresses_and_prefixes_are_those_of_the_archive(release: Release) -> None:
    source = resolved(release.sources["rvs_mean_spectrum"], release.endpoints)
    assert source.bulk is not None
    assert source.bulk.url == "https://cdn.gea.esac.esa.int/Gaia/gdr3/Spectroscopy/rvs_mean_spectrum/"
    for product, prefix in release.bulk_files.items():
        bulk = release.sources[product].bulk
        assert bulk is not None
        assert bulk.prefix == prefix


def test_a_mirror_takes_the_place_of_an_archive(release: Release) -> None:
    environment = {
        "RVSCAT_ENDPOINT_BULK": "http://mirror/gdr3",
        "RVSCAT_ENDPOINT_TAP": "http://theirs/tap",
        "RVSCAT_ENDPOINT_GALAH": "",
    }
    endpoints = endpoints_of(release, {"tap": "http://mine/tap"}, environment)
    assert endpoints["tap"] == "http://mine/tap"
    assert endpoints["galah"] == release.endpoints["galah"]
    source = resolved(release.sources["gaia_source"], endpoints)
    assert source.bulk is not None
    assert source.tap is not None
    assert (source.bulk.url, source.tap.url) == ("http://mirror/gdr3/gaia_source/", "http://mine/tap")
    tap = source.tap.model_copy(update={"mirrors": ("aip_tap", "http://third/tap")})
    tap = resolved(source.model_copy(update={"tap": tap}), endpoints).tap
    assert tap is not None
    assert tap.mirrors == (release.endpoints["aip_tap"], "http://third/tap")


def test_addresses_that_cannot_be_meant(release: Release) -> None:
    with pytest.raises(ConfigurationError, match="no endpoint tab"):
        endpoints_of(release, {"tab": "http://x/"}, {})
    with pytest.raises(FetchError, match="'file:///data' is not an address"):
        endpoints_of(release, {"bulk": "file:///data"}, {})
    source = release.sources["starhorse"].model_copy(deep=True)
    with pytest.raises(ConfigurationError, match="'aip_tap' is no endpoint"):
        resolved(source, {"tap": "http://x/"})


def test_routes(rvs: Source) -> None:
    assert route_of("rvs", rvs, None) == "bulk"
    with pytest.raises(ConfigurationError, match="no route tap to rvs") as caught:
        route_of("rvs", rvs, "tap")
    assert "bulk" in caught.value.remedy


def test_fetch_takes_the_route(rvs: Source, session: ArchiveSession, tmp_path: Path) -> None:
    result = fetch_source("rvs", rvs, tmp_path / "rvs", Selection(limit=1), session)
    assert result.files == [tmp_path / "rvs" / NAMES[0]]


def test_a_folder_at_work_is_refused(rvs: Source, session: ArchiveSession, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(FetchError, match=rf"process {os.getpid()}\) is at work"):
        fetch_source("rvs", rvs, tmp_path, Selection(), session)


def test_a_folder_that_cannot_be_written(rvs: Source, session: ArchiveSession, tmp_path: Path) -> None:
    (tmp_path / "rvs").write_text("a file")
    with pytest.raises(FetchError, match="rvs: File exists") as caught:
        fetch_source("rvs", rvs, tmp_path / "rvs", Selection(), session)
    assert "The same command goes on from here" in caught.value.remedy


def test_plan_of_files(rvs: Source, session: ArchiveSession, archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "none" / "yet"
    plan = plan_source("rvs", rvs, folder, Selection(healpix=HealpixRange(8, 0, 1500)), session)
    assert (plan.n_parts, plan.n_there, plan.bytes, plan.is_exact) == (2, 0, 601_000, True)
    assert not folder.exists()
    fetch_source("rvs", rvs, tmp_path, Selection(limit=1), session)
    (tmp_path / f"{NAMES[1]}.part").write_bytes(bytes(1000))
    plan = plan_source("rvs", rvs, tmp_path, Selection(limit=2), session)
    assert (plan.n_parts, plan.n_there, plan.bytes) == (2, 1, 300_000)
    archive.answers_head = False
    assert plan_source("rvs", rvs, folder, Selection(), session).bytes is None


def test_sizes_of_many_files_are_estimated(session: ArchiveSession, archive: Archive, tmp_path: Path) -> None:
    names = [f"RvsMeanSpectrum_{n:06}-{n:06}.csv.gz" for n in range(200)]
    archive.put_bulk("many/", {name: bytes(100 + n % 2) for n, name in enumerate(names)})
    route = {"url": f"{archive.url}many/", "prefix": "RvsMeanSpectrum"}
    many = Source.model_validate({"title": "RVS", "product": "rvs", "default": "bulk", "bulk": route})
    plan = plan_source("rvs", many, tmp_path, Selection(), session)
    assert plan.n_parts == 200
    assert not plan.is_exact
    assert plan.bytes == pytest.approx(200 * 100.5, rel=0.01)
    assert sum(each.method == "HEAD" for each in archive.requests) <= 64


def test_plan_of_one_file(session: ArchiveSession, archive: Archive, tmp_path: Path) -> None:
    archive.files["a.fits"] = bytes(5760)
    route = {"url": f"{archive.url}a.fits", "bytes": 7}
    one = Source.model_validate({"title": "A", "product": "a", "default": "file", "file": route})
    plan = plan_source("a", one, tmp_path, Selection(), session)
    assert (plan.n_parts, plan.bytes, plan.is_exact) == (1, 5760, True)
    archive.answers_head = False
    plan = plan_source("a", one, tmp_path, Selection(), session)
    assert (plan.bytes, plan.is_exact) == (7, False)
    assert "405" in plan.notes[0]


def test_plans_of_tables_and_products_ask_nobody(release: Release, session: ArchiveSession, tmp_path: Path) -> None:
    tap = release.sources["starhorse"]
    assert plan_source("starhorse", tap, tmp_path, Selection(), session).n_parts == 192
    assert plan_source("k2gap", release.sources["k2gap"], tmp_path, Selection(), session).n_parts == 1
    rvs = release.sources["rvs_mean_spectrum"]
    ids = np.arange(1, 12_002) << 43
    plan = plan_source("rvs", rvs, tmp_path, Selection(ids), session, route="datalink")
    assert (plan.n_parts, plan.notes) == (3, ["12,001 sources"])
    plan = plan_source("rvs", rvs, tmp_path, Selection(), session, route="datalink")
    assert "--source-ids" in plan.notes[0]
