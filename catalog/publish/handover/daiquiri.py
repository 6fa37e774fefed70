"""Metadata of schema, tables and columns for a Daiquiri archive, as fixtures of its metadata app."""

import json
from typing import Any

from catalog.metadata.columns import Column
from catalog.metadata.tap_schema import SCHEMAS
from catalog.publish.formats.layout import REFERENCE
from catalog.publish.handover.about import RELATED
from catalog.publish.handover.dachs_sql import functions_sql
from catalog.publish.handover.producer import Creator, Producer
from catalog.publish.handover.readme import DAIQUIRI, fill
from catalog.publish.handover.subject import Adopted, Subject

__all__ = ["FIRST_KEY", "daiquiri_document", "daiquiri_files"]

FIRST_KEY = 8_880_000
"""Primary keys of the fixtures begin here, beyond those that an archive gives itself."""

# Daiquiri's own words for licences.
_LICENCES = {
    "CC0-1.0": "CC0",
    "CC-BY-4.0": "BY",
    "CC-BY-SA-4.0": "BY_SA",
    "CC-BY-ND-4.0": "BY_ND",
    "CC-BY-NC-4.0": "BY_NC",
    "CC-BY-NC-SA-4.0": "BY_NC_SA",
    "CC-BY-NC-ND-4.0": "BY_NC_ND",
}


def daiquiri_files(subject: Subject) -> dict[str, str]:
    """Return the fixtures, the grants and what to do with them."""
    tables = ", ".join(f"{subject.schema}.{each.name}" for each in subject.tables)
    return {
        "metadata.json": json.dumps(daiquiri_document(subject), indent=2, ensure_ascii=False) + "\n",
        "functions.sql": functions_sql(subject),
        "README.md": fill(DAIQUIRI, subject, tables=tables, first_key=str(FIRST_KEY)),
    }


def daiquiri_document(subject: Subject) -> list[dict[str, Any]]:
    """Return the fixtures: one schema, then each table with its columns."""
    schema = {"order": 1, "name": subject.schema, "title": subject.title, "description": SCHEMAS[subject.schema]}
    entries = [_entry("schema", FIRST_KEY, schema | _shared(subject))]
    key = FIRST_KEY
    for position, table in enumerate(subject.tables, start=1):
        table_key = FIRST_KEY + position
        entries.append(_entry("table", table_key, _table(subject, table, position)))
        for order, column in enumerate(table.info.columns, start=1):
            key += 1
            entries.append(_entry("column", key, {"table": table_key, "order": order} | _column(column)))
    return entries


def _entry(model: str, key: int, fields: dict[str, Any]) -> dict[str, Any]:
    access = {"access_level": "PUBLIC", "metadata_access_level": "PUBLIC", "groups": []}
    return {"model": f"daiquiri_metadata.{model}", "pk": key, "fields": fields | access}


def _shared(subject: Subject) -> dict[str, Any]:
    published = subject.publication.published_at.date().isoformat()
    producer = subject.producer
    return {
        "long_description": "",
        "attribution": f"Please cite {REFERENCE}.",
        "license": _licence(producer),
        "doi": producer.doi,
        "related_identifiers": [
            {
                "related_identifier": each.doi,
                "related_identifier_type": "DOI",
                "relation_type": each.relation,
            }
            for each in RELATED
        ],
        "utype": "",
        "creators": [_person(each) for each in producer.creators],
        "contributors": [],
        "published": published,
        "updated": published,
    }


def _licence(producer: Producer) -> str:
    return _LICENCES.get(producer.licence, "")


def _person(creator: Creator) -> dict[str, Any]:
    family, comma, given = creator.name.partition(",")
    person: dict[str, Any] = {"name": creator.name, "name_type": creator.kind}
    if comma and creator.kind == "Personal":
        person |= {"first_name": given.strip(), "last_name": family.strip()}
    if creator.orcid:
        person["orcid"] = creator.orcid
    if creator.affiliation:
        person["affiliations"] = [{"affiliation": creator.affiliation}]
    return person


def _table(subject: Subject, table: Adopted, order: int) -> dict[str, Any]:
    return {
        "schema": FIRST_KEY,
        "order": order,
        "name": table.name,
        "title": table.info.title,
        "description": table.info.description,
        "type": table.kind,
        "nrows": table.n_rows,
        "size": table.n_bytes or None,
    } | _shared(subject)


def _column(column: Column) -> dict[str, Any]:
    # Daiquiri knows only a number here.
    length = (column.arraysize or "").rstrip("*")
    return {
        "name": column.name,
        "description": column.description,
        "unit": column.unit or "",
        "ucd": column.ucd,
        "utype": "",
        "datatype": column.datatype,
        "arraysize": int(length) if length else None,
        "principal": column.principal,
        "indexed": column.indexed,
        "std": column.std,
    }
