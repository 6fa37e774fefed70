"""Tables that come with a query: found under TAP_UPLOAD, joined, and nowhere else."""

import pytest

from catalog.errors import QueryError
from catalog.service.adql import prepare, translate
from catalog.service.resolve import TemporaryTable

TABLES = {
    "catalogue.stars": ["source_id", "ra", "dec"],
    "tap_upload.mine": TemporaryTable(dict.fromkeys(["id", "ra", "dec"]), physical="upload_7"),
    "tap_upload.stars": ["id"],
}


def test_an_upload_is_joined(published):
    published.execute("CREATE TEMP TABLE upload_7 (id int, ra float8, dec float8)")
    published.execute("INSERT INTO upload_7 VALUES (1, 10.001, 20), (2, -0.1, -0.1), (3, 80, 80)")
    published.execute("GRANT SELECT ON upload_7 TO rvscat_reader")
    tables = {**TABLES, "catalogue.rvs_cnn_extended": ["source_id", "ra", "dec"]}
    adql = (
        "SELECT m.id, e.source_id FROM TAP_UPLOAD.mine AS m JOIN rvs_cnn_extended AS e "
        "ON DISTANCE(POINT(m.ra, m.dec), POINT(e.ra, e.dec)) < 0.01 ORDER BY m.id"
    )
    translation = prepare(adql, tables)
    # Right ascensions below zero, as an upload may have them, are no obstacle.
    assert published.execute(translation.sql()).fetchall() == [(1, 1001), (2, 1003)]
    assert [(column.table, column.column) for column in translation.columns] == [
        ("tap_upload.mine", "id"),
        ("catalogue.rvs_cnn_extended", "source_id"),
    ]
    published.execute("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in published.execute(f"EXPLAIN {translation.sql()}").fetchall())
    assert "rvs_cnn_extended_point_idx" in plan


def test_names():
    assert '"pg_temp"."upload_7" AS "mine"' in translate("SELECT tap_upload.mine.id FROM Tap_Upload.Mine", TABLES)
    assert '"pg_temp"."stars"' in translate("SELECT * FROM TAP_UPLOAD.stars", TABLES)
    assert '"catalogue"."stars"' in translate("SELECT * FROM stars", TABLES)


@pytest.mark.parametrize(
    ("adql", "message"),
    [
        ("SELECT id FROM mine", "no published table mine"),
        ("SELECT id FROM TAP_UPLOAD.yours", r"no uploaded table tap_upload\.yours\. These came: tap_upload\.mine"),
        ("SELECT id FROM upload_7", "no published table upload_7"),
        ("SELECT id FROM pg_temp.upload_7", "no published table pg_temp.upload_7"),
        ("SELECT id FROM TAP_UPLOAD.mine, mine", "no published table mine"),
        ("SELECT 1 AS x FROM TAP_UPLOAD.stars, catalogue.stars", "Two tables in FROM have the name stars"),
    ],
)
def test_what_did_not_come_is_refused(adql, message):
    with pytest.raises(QueryError, match=message):
        translate(adql, TABLES)


def test_nothing_came():
    with pytest.raises(QueryError, match="No table came with the query"):
        translate("SELECT id FROM TAP_UPLOAD.mine", {"catalogue.stars": ["id"]})
