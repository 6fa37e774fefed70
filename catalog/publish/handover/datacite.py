"""DataCite metadata (schema 4.5, JSON) for a catalogue that gets a DOI."""

import json
from typing import Any

from catalog.metadata.columns import RVS_CNN
from catalog.publish.handover.about import PAPER_BIBCODE, RELATED, SUBJECTS
from catalog.publish.handover.producer import UNKNOWN, Creator
from catalog.publish.handover.subject import Subject

__all__ = ["datacite_document", "datacite_files"]

_THESAURUS = "http://astrothesaurus.org/uat/"
# What `rvscat export` writes by default.
_FORMATS = ("application/fits", "application/vnd.apache.parquet", "application/x-votable+xml", "text/csv")


def datacite_files(subject: Subject) -> dict[str, str]:
    """Return the one file of this target."""
    return {"datacite.json": json.dumps(datacite_document(subject), indent=2, ensure_ascii=False) + "\n"}


def datacite_document(subject: Subject) -> dict[str, Any]:
    """Return the attributes of a DOI as DataCite's REST API takes them."""
    publication, producer = subject.publication, subject.producer
    published = publication.published_at.date()
    table = subject.adopted(RVS_CNN)
    document: dict[str, Any] = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Catalogue"},
        "titles": [{"title": subject.title, "lang": "en"}],
        "creators": [_creator(each) for each in producer.people],
        "publisher": {"name": producer.publisher or UNKNOWN, "lang": "en"},
        "publicationYear": str(published.year),
        "dates": [
            {"date": published.isoformat(), "dateType": "Created"},
            {"date": published.isoformat(), "dateType": "Issued"},
        ],
        "language": "en",
        "version": str(publication.version),
        "subjects": [
            {
                "subject": label,
                "subjectScheme": "Unified Astronomy Thesaurus",
                "schemeUri": _THESAURUS,
                "valueUri": f"{_THESAURUS}{number}",
                "lang": "en",
            }
            for _, number, label in SUBJECTS
        ],
        "descriptions": [
            {"description": RVS_CNN.description, "descriptionType": "Abstract", "lang": "en"},
            {
                "description": f"Made by {subject.software}. SHA-256 of the content: {publication.sha256}",
                "descriptionType": "TechnicalInfo",
                "lang": "en",
            },
        ],
        "relatedIdentifiers": [
            *(
                {"relationType": each.relation, "relatedIdentifier": each.doi, "relatedIdentifierType": "DOI"}
                for each in RELATED
            ),
            {
                "relationType": "IsDescribedBy",
                "relatedIdentifier": PAPER_BIBCODE,
                "relatedIdentifierType": "bibcode",
            },
        ],
        "sizes": [f"{table.n_rows} rows", f"{len(RVS_CNN.columns)} columns", f"{table.n_bytes} bytes"],
        "formats": list(_FORMATS),
    }
    if producer.doi:
        prefix, _, suffix = producer.doi.partition("/")
        document |= {"doi": producer.doi, "prefix": prefix, "suffix": suffix, "url": producer.reference}
    if producer.licence:
        rights = {"rights": producer.licence, "rightsIdentifier": producer.licence, "rightsIdentifierScheme": "SPDX"}
        if producer.licence_address:
            rights["rightsUri"] = producer.licence_address
        document["rightsList"] = [rights]
    if producer.contact.name:
        document["contributors"] = [{"name": producer.contact.name, "contributorType": "ContactPerson"}]
    return document


def _creator(creator: Creator) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": creator.name, "nameType": creator.kind}
    family, comma, given = creator.name.partition(",")
    if comma and creator.kind == "Personal":
        entry |= {"familyName": family.strip(), "givenName": given.strip()}
    if creator.orcid:
        entry["nameIdentifiers"] = [
            {
                "nameIdentifier": f"https://orcid.org/{creator.orcid}",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ]
    if creator.affiliation:
        entry["affiliation"] = [{"name": creator.affiliation}]
    return entry
