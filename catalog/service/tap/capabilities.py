"""What the service can do: VOSI capabilities with TAPRegExt 1.0 and SimpleDALRegExt."""

import math
from xml.sax.saxutils import escape

from catalog.publish.formats.votable_document import element
from catalog.service.capabilities_adql import ADQL_LANGUAGE, Feature
from catalog.service.tap.formats import FORMATS
from catalog.service.tap.limits import Limits

__all__ = ["capabilities_document"]

_NAMESPACES = {
    "xmlns:vosi": "http://www.ivoa.net/xml/VOSICapabilities/v1.0",
    "xmlns:vr": "http://www.ivoa.net/xml/VOResource/v1.0",
    "xmlns:vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "xmlns:tr": "http://www.ivoa.net/xml/TAPRegExt/v1.0",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
}

_FETCHED = element("uploadMethod", {"ivo-id": "ivo://ivoa.net/std/TAPRegExt#upload-http"})

# Of ADQL 2.1, but clients of before report it as an error: TOPCAT's validator, for one.
_UNKNOWN_TO_CLIENTS = {"ivo://ivoa.net/std/TAPRegExt#features-adql-conditional"}


def capabilities_document(url: str, limits: Limits) -> str:
    """Return the capabilities of the service at `url`."""
    tap = f"{url}/tap"
    parts = [
        _capability("ivo://ivoa.net/std/TAP", f"{tap}", "base", "1.1", "tr:TableAccess", _tap(limits)),
        _capability("ivo://ivoa.net/std/VOSI#capabilities", f"{tap}/capabilities", "full"),
        _capability("ivo://ivoa.net/std/VOSI#availability", f"{tap}/availability", "full"),
        _capability("ivo://ivoa.net/std/VOSI#tables-1.1", f"{tap}/tables", "full"),
        _capability("ivo://ivoa.net/std/DALI#examples", f"{tap}/examples", "full"),
        _capability("ivo://ivoa.net/std/ConeSearch", f"{url}/cone?", "base"),
    ]
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + element("vosi:capabilities", _NAMESPACES, "\n".join(parts)) + "\n"


def _capability(
    standard: str, url: str, use: str, version: str | None = None, kind: str | None = None, rest: str = ""
) -> str:
    access = element("accessURL", {"use": use}, escape(url))
    interface = element("interface", {"xsi:type": "vs:ParamHTTP", "role": "std", "version": version}, access)
    return element("capability", {"standardID": standard, "xsi:type": kind}, interface + "\n" + rest)


def _tap(limits: Limits) -> str:
    formats = [
        element(
            "outputFormat",
            {"ivo-id": format_.standard_id},
            element("mime", {}, escape(format_.media_type))
            + "".join(element("alias", {}, escape(alias)) for alias in format_.aliases),
        )
        for format_ in FORMATS
    ]
    parts = [
        _language(),
        *formats,
        element("uploadMethod", {"ivo-id": "ivo://ivoa.net/std/TAPRegExt#upload-inline"}),
        *([_FETCHED] if limits.fetch_uploads else []),
        _limit("retentionPeriod", limits.job_days * 86400, limits.max_job_days * 86400),
        _limit("executionDuration", limits.job_seconds, limits.max_job_seconds),
        _limit("outputLimit", min(limits.default_rows, limits.max_rows), limits.max_rows, {"unit": "row"}),
        _limit("uploadLimit", limits.upload_rows, limits.upload_rows, {"unit": "row"}),
    ]
    return "\n".join(parts)


def _language() -> str:
    parts = [
        element("name", {}, ADQL_LANGUAGE.name),
        *(element("version", {"ivo-id": identifier}, number) for number, identifier in ADQL_LANGUAGE.versions),
        element("description", {}, escape(ADQL_LANGUAGE.description)),
    ]
    for group in ADQL_LANGUAGE.groups:
        if group.type not in _UNKNOWN_TO_CLIENTS:
            parts.append(element("languageFeatures", {"type": group.type}, "".join(map(_feature, group.features))))
    return element("language", {}, "".join(parts))


def _feature(feature: Feature) -> str:
    words = element("description", {}, escape(feature.description)) if feature.description else ""
    return element("feature", {}, element("form", {}, escape(feature.form)) + words)


def _limit(name: str, default: float, hard: float, attributes: dict[str, str | None] | None = None) -> str:
    values = (("default", math.floor(default)), ("hard", math.floor(hard)))
    return element(name, {}, "".join(element(each, attributes or {}, str(value)) for each, value in values))
