"""A DaCHS resource descriptor (``q.rd``) that adopts the published tables where they are.

``dachs imp -m`` registers tables that exist and copies nothing. DaCHS never owns them: its roles are given what they
need by ``grants.sql``, the index that its cone searches use is made by ``indexes.sql``, and the descriptor's own tests
(``dachs test``) compare answers with rows of the version.
"""

from datetime import UTC
from typing import Any
from xml.sax.saxutils import escape

from catalog.metadata.columns import RVS_CNN, RVS_CNN_EXTENDED, Column
from catalog.metadata.tap_schema import SCHEMAS
from catalog.publish.formats.votable_document import element
from catalog.publish.handover.about import FACILITY, INSTRUMENT, PAPER_BIBCODE, SPECTRAL_JOULES, SUBJECTS
from catalog.publish.handover.dachs_sql import POSITION_INDEX, functions_sql, grants_sql, indexes_sql, withdraw_sql
from catalog.publish.handover.dachs_tests import regression_tests
from catalog.publish.handover.readme import DACHS, fill
from catalog.publish.handover.subject import Adopted, Subject
from catalog.publish.reserved import adql_name

__all__ = ["dachs_files", "resource_descriptor"]

# What stands for null in VOTable where a column of integers may be null (published values are never negative).
_NULLS = {"smallint": "-32768", "bigint": "-9223372036854775808"}

_CONE = "cone"


def dachs_files(subject: Subject) -> dict[str, str]:
    """Return the descriptor, the SQL that goes with it, and the steps."""
    return {
        "q.rd": resource_descriptor(subject),
        "functions.sql": functions_sql(subject),
        "grants.sql": grants_sql(subject),
        "indexes.sql": indexes_sql(subject),
        "withdraw.sql": withdraw_sql(subject),
        "README.md": fill(DACHS, subject),
    }


def resource_descriptor(subject: Subject) -> str:
    """Return ``q.rd``."""
    body = [
        *_metadata(subject),
        # What is referred to must have been defined before.
        *(_table(subject, each) for each in sorted(subject.tables, key=lambda table: len(table.info.keys))),
        _coverage(subject),
        _data(subject),
        _service(subject),
        regression_tests(subject, _CONE),
    ]
    attributes = {"schema": subject.schema, "resdir": "."}
    return '<?xml version="1.0" encoding="utf-8"?>\n' + element("resource", attributes, _lines(body)) + "\n"


def _lines(children: list[str]) -> str:
    text = "\n".join(children)
    return "\n" + "\n".join(f"  {line}" if line else "" for line in text.splitlines()) + "\n"


def _plain(text: str) -> str:
    # A backslash would begin a macro; braces are its arguments' only.
    return escape("".join(c if c.isprintable() else " " for c in text).replace("\\", "\\\\"))


def _meta(name: str, text: str) -> str:
    return element("meta", {"name": name, "format": "plain"}, _plain(text))


def _metadata(subject: Subject) -> list[str]:
    producer, publication = subject.producer, subject.publication
    when = publication.published_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [
        _meta("title", subject.title),
        _meta("creationDate", when),
        _meta("description", f"{RVS_CNN.description}. {SCHEMAS[subject.schema]}, version {publication.version}."),
        *(_meta("subject", term) for term, _, _ in SUBJECTS),
    ]
    for person in producer.people:
        orcid = [_meta("altIdentifier", f"https://orcid.org/{person.orcid}")] if person.orcid else []
        lines.append(element("meta", {"name": "creator"}, _lines([_meta("name", person.name), *orcid])))
    lines += [
        _meta("facility", FACILITY),
        _meta("instrument", INSTRUMENT),
        _meta("source", PAPER_BIBCODE),
        _meta("contentLevel", "Research"),
        _meta("type", "Catalog"),
        _meta("coverage.waveband", "Infrared"),
        _meta("schema-rank", "100"),
        _meta("version", str(publication.version)),
    ]
    said = {
        "publisher": producer.publisher,
        "contact.name": producer.contact.name,
        "contact.email": producer.contact.email,
        "doi": producer.doi,
        "rights": producer.licence,
        "rights.rightsURI": producer.licence_address if producer.licence else "",
    }
    return [*lines, *(_meta(name, text) for name, text in said.items() if text)]


def _coverage(subject: Subject) -> str:
    spectral = element("spectral", {}, " ".join(f"{energy:.6e}" for energy in SPECTRAL_JOULES))
    updater = element("updater", {"spaceTable": subject.adopted(RVS_CNN_EXTENDED).name, "mocOrder": "6"})
    return element("coverage", {}, _lines([updater, spectral]))


def _table(subject: Subject, table: Adopted) -> str:
    info = table.info
    parts = [_meta("title", info.title), _meta("description", f"{info.description}.")]
    if info.primary_key:
        parts.append(element("primary", {}, info.primary_key))
    parts += [_index(each) for each in info.columns if each.indexed and not each.ucd.startswith("pos.eq")]
    if info is RVS_CNN_EXTENDED:
        # The kind tells DaCHS by which of its conditions the index is used.
        index = {"name": "position", "columns": "ra,dec", "kind": "spoint", "method": "GIST", "metaOnly": "True"}
        parts.append(element("index", index, escape(POSITION_INDEX)))
        parts.append(element("stc", {}, 'Position ICRS "ra" "dec"'))
    names = {each.info.qualified_name: each.name for each in subject.tables}
    parts += [
        element(
            "foreignKey",
            {
                "source": key.column,
                "inTable": names[key.target_table],
                "dest": key.target_column,
                "metaOnly": "True",
            },
        )
        for key in info.keys
        if key.target_table in names
    ]
    parts += [_column(each) for each in info.columns]
    attributes = {"id": table.name, "onDisk": "True", "adql": "True", "nrows": str(table.n_rows)}
    return "\n" + element("table", attributes, _lines(parts))


def _index(column: Column) -> str:
    return element("index", {"name": column.name, "columns": column.name, "metaOnly": "True"})


def _column(column: Column) -> str:
    quoted = adql_name(column.name) != column.name
    attributes = {
        "name": f"quoted/{column.name}" if quoted else column.name,
        "type": _type(column),
        "unit": column.unit,
        "ucd": column.ucd,
        "tablehead": column.name,
        "description": column.description,
        "verbLevel": "1" if column.principal else "25",
        "required": None if column.nullable else "True",
    }
    null = _NULLS.get(column.sql_type) if column.nullable else None
    return element("column", attributes, element("values", {"nullLiteral": null}) if null else None)


def _type(column: Column) -> str:
    # DaCHS has no varchar; its text is any text.
    return "text" if column.sql_type.startswith("varchar") else column.sql_type


def _data(subject: Subject) -> str:
    # Adopting is `dachs imp -m`. A plain `dachs imp` finds nothing to add, and drops nothing (updating).
    parts = [element("nullGrammar", {}), *(element("make", {"table": each.name}) for each in subject.tables)]
    return "\n" + element("data", {"id": "adopt", "updating": "True"}, _lines(parts))


def _service(subject: Subject) -> str:
    star: dict[str, Any] = subject.stars[0]
    query = [_meta("ra", repr(star["ra"])), _meta("dec", repr(star["dec"])), _meta("sr", "0.001")]
    core = element(
        "scsCore",
        {"queriedTable": subject.adopted(RVS_CNN_EXTENDED).name},
        _lines([element("FEED", {"source": "//scs#coreDescs"})]),
    )
    parts = [
        _meta("title", f"{subject.title}: cone search"),
        _meta("shortName", "RVS CNN cone"),
        element("meta", {"name": "testQuery"}, _lines(query)),
        element("publish", {"render": "scs.xml", "sets": "ivo_managed"}),
        element("publish", {"render": "form", "sets": "ivo_managed,local"}),
        core,
    ]
    return "\n" + element("service", {"id": _CONE, "allowed": "form,scs.xml"}, _lines(parts))
