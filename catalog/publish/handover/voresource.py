"""VOResource 1.1 record of the catalogue and its services, for a publishing registry (RegTAP)."""

from datetime import UTC
from xml.sax.saxutils import escape

from catalog.metadata.columns import RVS_CNN, Column
from catalog.metadata.tap_schema import SCHEMAS
from catalog.publish.formats.votable_document import element
from catalog.publish.handover.about import (
    FACILITY,
    INSTRUMENT,
    PAPER_BIBCODE,
    RELATED,
    SPECTRAL_JOULES,
    SUBJECTS,
)
from catalog.publish.handover.producer import UNKNOWN, Creator
from catalog.publish.handover.subject import Adopted, Subject
from catalog.publish.reserved import adql_name

__all__ = ["record_identifier", "voresource_document", "voresource_files"]

_NAMESPACES = {
    "xmlns:ri": "http://www.ivoa.net/xml/RegistryInterface/v1.0",
    "xmlns:vr": "http://www.ivoa.net/xml/VOResource/v1.0",
    "xmlns:vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "xmlns:cs": "http://www.ivoa.net/xml/ConeSearch/v1.0",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_CONE_ROWS = 100_000
"""As the service's own limit."""


def voresource_files(subject: Subject) -> dict[str, str]:
    """Return the one file of this target."""
    return {"voresource.xml": voresource_document(subject)}


def record_identifier(subject: Subject) -> str:
    """Return the IVOID of the record."""
    names = sorted(each.name for each in subject.tables if each.info is RVS_CNN)
    return f"ivo://{subject.producer.authority}/{names[0]}"


def voresource_document(subject: Subject) -> str:
    """Return the record: a ``vs:CatalogService`` with its tables, TAP and cone search."""
    when = subject.publication.published_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    producer = subject.producer
    parts = [
        _text("title", subject.title),
        _text("shortName", "RVS CNN"),
        _text("identifier", record_identifier(subject)),
        *([_text("altIdentifier", f"doi:{producer.doi}")] if producer.doi else []),
        _curation(subject, when),
        _content(subject),
        *([_text("rights", producer.licence, rightsURI=producer.licence_address or None)] if producer.licence else []),
        *_capabilities(subject),
        _text("facility", FACILITY),
        _text("instrument", INSTRUMENT),
        _element(
            "coverage",
            _text("spectral", " ".join(f"{energy:.6e}" for energy in SPECTRAL_JOULES)),
            _text("waveband", "Infrared"),
        ),
        _tables(subject),
    ]
    attributes = _NAMESPACES | {
        "xsi:type": "vs:CatalogService",
        "version": "1.2",
        "created": when,
        "updated": when,
        "status": "active",
    }
    body = element("ri:Resource", attributes, "\n" + "\n".join(parts) + "\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _element(name: str, *children: str, **attributes: str | None) -> str:
    return element(name, {key.replace("_", ":"): value for key, value in attributes.items()}, "".join(children))


def _text(name: str, text: str, **attributes: str | None) -> str:
    # Through `element` as an attribute, what XML has no place for is replaced; in content we do it by hand.
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return element(name, attributes, escape(clean))


def _curation(subject: Subject, when: str) -> str:
    producer = subject.producer
    contact = producer.contact
    return _element(
        "curation",
        _text("publisher", producer.publisher or UNKNOWN),
        *(_creator(each) for each in producer.people),
        _text("date", when, role="Created"),
        _text("version", str(subject.publication.version)),
        _element(
            "contact",
            _text("name", contact.name or producer.publisher or UNKNOWN),
            *([_text("email", contact.email)] if contact.email else []),
        ),
    )


def _creator(creator: Creator) -> str:
    orcid = [_text("altIdentifier", f"https://orcid.org/{creator.orcid}")] if creator.orcid else []
    return _element("creator", _text("name", creator.name), *orcid)


def _content(subject: Subject) -> str:
    return _element(
        "content",
        *(_text("subject", term) for term, _, _ in SUBJECTS),
        _text("description", f"{RVS_CNN.description}."),
        _text("source", PAPER_BIBCODE, format="bibcode"),
        _text("referenceURL", subject.producer.reference),
        _text("type", "Catalog"),
        _text("contentLevel", "Research"),
        *(
            _element(
                "relationship",
                _text("relationshipType", each.relation),
                _text("relatedResource", f"{each.words}, doi:{each.doi}"),
            )
            for each in RELATED
            if each.relation == "IsDerivedFrom"
        ),
    )


def _capabilities(subject: Subject) -> list[str]:
    url = subject.producer.service.rstrip("/")
    star = subject.stars[0]
    cone = (
        _text("maxSR", "180.0"),
        _text("maxRecords", str(_CONE_ROWS)),
        _text("verbosity", "true"),
        _element("testQuery", _text("ra", repr(star["ra"])), _text("dec", repr(star["dec"])), _text("sr", "0.001")),
    )
    return [
        # The TAP service has a record of its own; this leads from the tables to it.
        element("capability", {"standardID": "ivo://ivoa.net/std/TAP#aux"}, _interface(f"{url}/tap", "1.1", "base")),
        element(
            "capability",
            {"standardID": "ivo://ivoa.net/std/ConeSearch", "xsi:type": "cs:ConeSearch"},
            _interface(f"{url}/cone?", "1.03", "base") + "".join(cone),
        ),
    ]


def _interface(url: str, version: str, use: str) -> str:
    attributes = {"xsi:type": "vs:ParamHTTP", "role": "std", "version": version}
    return element("interface", attributes, _text("accessURL", url, use=use))


def _tables(subject: Subject) -> str:
    schema = _element(
        "schema",
        _text("name", subject.schema),
        _text("description", SCHEMAS[subject.schema]),
        *(_table(subject, each) for each in subject.tables),
    )
    return element("tableset", {}, "\n" + schema + "\n")


def _table(subject: Subject, table: Adopted) -> str:
    info = table.info
    names = {each.info.qualified_name: f"{subject.schema}.{each.name}" for each in subject.tables}
    keys = [
        _element(
            "foreignKey",
            _text("targetTable", names[key.target_table]),
            _element("fkColumn", _text("fromColumn", key.column), _text("targetColumn", key.target_column)),
            _text("description", key.description),
        )
        for key in info.keys
        if key.target_table in names
    ]
    columns = [f"\n{_column(column)}" for column in info.columns]
    return "\n" + _element(
        "table",
        _text("name", f"{subject.schema}.{table.name}"),
        _text("title", info.title),
        _text("description", info.description),
        _text("nrows", str(table.n_rows)),
        *columns,
        *keys,
        type="view" if table.kind == "view" else "base_table",
    )


def _column(column: Column) -> str:
    flags = [
        *(["indexed"] if column.indexed else []),
        *(["principal"] if column.principal else []),
        *(["nullable"] if column.nullable else []),
    ]
    kind = {"xsi:type": "vs:VOTableType", "arraysize": column.arraysize}
    return _element(
        "column",
        _text("name", adql_name(column.name)),
        _text("description", column.description),
        *([_text("unit", column.unit)] if column.unit else []),
        _text("ucd", column.ucd),
        element("dataType", kind, column.datatype),
        *(_text("flag", flag) for flag in flags),
    )
