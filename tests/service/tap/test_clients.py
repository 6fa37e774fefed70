"""The clients that people use: pyvo and astroquery's TapPlus."""

import time

import httpx
import pytest
import pyvo
from astropy.table import Table
from astroquery.utils.tap.core import TapPlus

from tests.service.tap.conftest import N_STARS

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*W50", "ignore:.*DALOverflowWarning", "ignore:Partial result set", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def tap(service):
    return pyvo.dal.TAPService(service.tap)


@pytest.fixture
def plus(service):
    return TapPlus(url=service.tap)


def test_pyvo_describes_the_service(tap):
    assert "<vosi:available>true<" in httpx.get(f"{tap.baseurl}/availability").text
    assert set(tap.tables.keys()) >= {"catalogue.rvs_cnn", "catalogue.rvs_cnn_extended", "tap_schema.columns"}
    columns = {column.name: column for column in tap.tables["catalogue.rvs_cnn"].columns}
    assert len(columns) == 17
    assert (columns["teff"].unit, columns["teff"].ucd) == ("K", "phys.temperature.effective")
    assert tap.maxrec == 1_000_000
    assert tap.hardlimit == 10_000_000
    assert {method.ivo_id.rpartition("#")[2] for method in tap.upload_methods} == {"upload-inline", "upload-http"}
    language = tap.get_tap_capability().get_adql()
    assert language.get_feature_list("ivo://ivoa.net/std/TAPRegExt#features-adqlgeo")


def test_pyvo_examples_run(tap):
    examples = tap.examples
    assert len(examples) >= 5
    for example in examples:
        assert example.execute().status[0] in ("OK", "OVERFLOW")


def test_pyvo_sync(tap, service):
    table = tap.run_sync("SELECT sourceid, teff, logg FROM catalogue.rvs_cnn ORDER BY sourceid").to_table()
    assert len(table) == N_STARS
    assert table["sourceid"].tolist() == [
        row[0] for row in service.rows("SELECT sourceid FROM catalogue.rvs_cnn ORDER BY sourceid")
    ]
    assert str(table["teff"].unit) == "K"
    result = tap.search("SELECT sourceid FROM catalogue.rvs_cnn", maxrec=7)
    assert (len(result), result.query_status) == (7, "OVERFLOW")
    with pytest.raises(pyvo.dal.DALQueryError, match="There is no column tef"):
        tap.search("SELECT tef FROM catalogue.rvs_cnn")


def test_pyvo_job(tap):
    job = tap.submit_job("SELECT COUNT(*) AS n FROM catalogue.rvs_cnn", maxrec=10)
    assert job.phase == "PENDING"
    job.execution_duration = 33
    assert "33" in httpx.get(f"{job.url}/executionduration").text
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=20)
    assert job.phase == "COMPLETED"
    assert job.fetch_result().to_table()["n"][0] == N_STARS
    assert job.job_id in [each.jobid for each in tap.get_job_list()]
    job.delete()
    assert job.job_id not in [each.jobid for each in tap.get_job_list()]


def test_pyvo_failing_job_and_abort(tap):
    job = tap.submit_job("SELECT nothing FROM catalogue.rvs_cnn")
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=20)
    with pytest.raises(pyvo.dal.DALQueryError, match="There is no column nothing"):
        job.raise_if_error()
    job.delete()
    job = tap.submit_job(SLOW)
    job.run()
    while job.phase == "QUEUED":
        time.sleep(0.05)
    assert job.phase == "EXECUTING"
    job.abort()
    assert job.phase == "ABORTED"
    job.delete()


SLOW = "SELECT COUNT(*) FROM " + ", ".join(f"rvs_cnn t{i}" for i in range(5)) + " WHERE t0.teff > t1.logg OR RAND() > 2"


def test_pyvo_run_async(tap):
    result = tap.run_async("SELECT TOP 3 * FROM catalogue.rvs_cnn_extended ORDER BY source_id")
    assert len(result) == 3


def test_pyvo_upload(tap, service):
    ids = [
        row[0] for row in service.rows("SELECT source_id FROM catalogue.rvs_cnn_extended ORDER BY source_id LIMIT 5")
    ]
    mine = Table({"Source_ID": ids, "Weight": [0.5, 1.5, 2.5, 3.5, 4.5], "note": ["a", "b", "c", "d", "é"]})
    mine["Weight"].unit = "kg"
    adql = (
        "SELECT e.source_id, m.weight, m.note FROM TAP_UPLOAD.Mine AS m JOIN catalogue.rvs_cnn_extended AS e "
        "ON e.source_id = m.source_id ORDER BY e.source_id"
    )
    for run in (tap.run_sync, tap.run_async):
        table = run(adql, uploads={"Mine": mine}).to_table()
        assert table["source_id"].tolist() == ids
        assert table["Weight"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
        assert str(table["Weight"].unit) == "kg"


def test_pyvo_cone(service):
    cone = pyvo.dal.SCSService(f"{service.url}/cone?")
    result = cone.search(pos=(10.0, 20.0), radius=30.0, verbosity=3).to_table()
    expected = service.rows(
        "SELECT source_id FROM catalogue.rvs_cnn_extended WHERE degrees(acos(least(1, sin(radians(dec)) * "
        "sin(radians(20)) + cos(radians(dec)) * cos(radians(20)) * cos(radians(ra - 10))))) <= 30"
    )
    assert sorted(result["source_id"].tolist()) == sorted(row[0] for row in expected)
    assert len(expected) > 20
    with pytest.raises(pyvo.dal.DALQueryError, match="SR"):
        cone.search(pos=(10.0, 20.0), radius=-1.0)


def test_tap_plus_reads_the_tables(plus):
    tables = {table.get_qualified_name(): table for table in plus.load_tables()}
    assert any(name.endswith("rvs_cnn_extended") for name in tables)


def test_tap_plus_jobs(plus):
    for name in ("votable", "csv", "json"):
        job = plus.launch_job("SELECT TOP 5 sourceid, teff FROM catalogue.rvs_cnn", output_format=name)
        assert len(job.get_results()) == 5
    job = plus.launch_job_async("SELECT COUNT(*) AS n FROM catalogue.rvs_cnn")
    assert job.get_phase() == "COMPLETED"
    assert job.get_results()["n"][0] == N_STARS
    assert job.jobid in [each.jobid for each in plus.list_async_jobs()]


def test_tap_plus_upload(plus, service):
    (first,) = service.rows("SELECT min(source_id) FROM catalogue.rvs_cnn_extended")
    job = plus.launch_job(
        "SELECT e.source_id FROM tap_upload.mine AS m JOIN catalogue.rvs_cnn_extended AS e USING (source_id)",
        upload_resource=Table({"source_id": [first[0], 5]}),
        upload_table_name="mine",
    )
    assert job.get_results()["source_id"].tolist() == [first[0]]
