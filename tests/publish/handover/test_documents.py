"""DataCite, VOResource and Daiquiri: valid by their own rules, and the columns as published."""

import json
import xml.etree.ElementTree as ET

from datacite import schema45

from catalog.publish.handover.daiquiri import daiquiri_files
from catalog.publish.handover.datacite import datacite_files
from catalog.publish.handover.producer import Producer
from catalog.publish.handover.subject import read_subject
from catalog.publish.handover.voresource import voresource_files
from tests.publish.handover.conftest import HOSTILE, N_STARS, described

TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def test_datacite_is_valid_and_complete(subject):
    document = json.loads(datacite_files(subject)["datacite.json"])
    schema45.validate(document)
    assert document["titles"][0]["title"] == HOSTILE
    assert document["creators"][0]["nameIdentifiers"][0]["nameIdentifier"].endswith("0000-0002-1825-0097")
    assert document["creators"][1] == {"name": "A collaboration", "nameType": "Organizational"}
    assert document["rightsList"][0]["rightsUri"] == "https://creativecommons.org/licenses/by/4.0/"
    assert f"{N_STARS} rows" in document["sizes"]
    assert document["version"] == "1"
    related = {each["relatedIdentifier"]: each["relationType"] for each in document["relatedIdentifiers"]}
    assert related["10.1051/0004-6361/202347122"] == "IsDescribedBy"
    assert list(related.values()).count("IsDerivedFrom") == 2


def test_datacite_is_valid_when_nothing_was_said(connection):
    document = json.loads(datacite_files(read_subject(connection, Producer()))["datacite.json"])
    schema45.validate(document)
    assert document["creators"][0]["name"] == document["publisher"]["name"] == ":tba"
    assert "doi" not in document


def test_voresource_columns_are_those_of_tap_schema(connection, subject):
    record = ET.fromstring(voresource_files(subject)["voresource.xml"])
    told = described(connection, subject)
    tables = {(table.findtext("name") or "").partition(".")[2]: table for table in record.iter("table")}
    assert set(tables) == set(told)
    for name, columns in told.items():
        found = []
        for column in tables[name].iter("column"):
            kind = column.find("dataType")
            assert kind is not None
            flags = {flag.text for flag in column.iter("flag")}
            found.append(
                (
                    (column.findtext("name") or "").strip('"'),
                    kind.text,
                    kind.get("arraysize"),
                    column.findtext("unit", ""),
                    column.findtext("ucd"),
                    column.findtext("description"),
                    int("principal" in flags),
                    int("indexed" in flags),
                )
            )
        assert found == columns


def test_voresource_record(subject):
    text = voresource_files(subject)["voresource.xml"]
    record = ET.fromstring(text)
    assert record.get(TYPE) == "vs:CatalogService"
    # The order of VOResource 1.1 and VODataService 1.2.
    assert [child.tag for child in record] == [
        "title", "shortName", "identifier", "altIdentifier", "curation", "content", "rights", "capability",
        "capability", "facility", "instrument", "coverage", "tableset",
    ]  # fmt: skip
    assert record.findtext("title") == record.findtext("curation/publisher") == HOSTILE
    assert record.findtext("identifier") == "ivo://org.example/rvs_cnn"
    assert [url.text for url in record.iter("accessURL")] == [
        "https://example.org/rvs/tap",
        "https://example.org/rvs/cone?",
    ]
    assert "<script>" not in text
    keys = {key.findtext("targetTable") for key in record.iter("foreignKey")}
    assert keys == {"catalogue.rvs_cnn_extended"}


def test_daiquiri_columns_are_those_of_tap_schema(connection, subject):
    entries = json.loads(daiquiri_files(subject)["metadata.json"])
    told = described(connection, subject)
    by_model: dict[str, list] = {}
    for entry in entries:
        by_model.setdefault(entry["model"], []).append(entry)
    (schema,) = by_model["daiquiri_metadata.schema"]
    assert schema["fields"]["name"] == "catalogue"
    assert schema["fields"]["license"] == "BY"
    names = {table["pk"]: table["fields"]["name"] for table in by_model["daiquiri_metadata.table"]}
    assert {table["fields"]["schema"] for table in by_model["daiquiri_metadata.table"]} == {schema["pk"]}
    for key, name in names.items():
        columns = sorted(
            (each["fields"] for each in by_model["daiquiri_metadata.column"] if each["fields"]["table"] == key),
            key=lambda fields: fields["order"],
        )
        found = [
            (c["name"], c["datatype"], c["arraysize"], c["unit"], c["ucd"], c["description"], int(c["principal"]),
             int(c["indexed"])) for c in columns
        ]  # fmt: skip
        wanted = [(n, t, int(size.rstrip("*")) if size else None, *rest) for n, t, size, *rest in told[name]]
        assert found == wanted
    keys = [(entry["model"], entry["pk"]) for entry in entries]
    assert len(keys) == len(set(keys))
