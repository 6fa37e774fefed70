"""The parts of a VOTable document that exports and answers to queries share: its head, its FIELDs, its base64 lines."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Base64Lines", "FieldFacts", "element", "field_element", "info_element", "table_head", "votable_head"]

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
"""Of VOTable 1.3 and all later 1.x."""

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Bytes that become one line of 76 characters.
_LINE = 57


class FieldFacts(Protocol):
    """What a FIELD tells of a column."""

    @property
    def name(self) -> str:
        """Name of the column."""

    @property
    def datatype(self) -> str:
        """VOTable type."""

    @property
    def arraysize(self) -> str | None:
        """VOTable arraysize; None for a single value."""

    @property
    def unit(self) -> str | None:
        """VOUnit."""

    @property
    def ucd(self) -> str | None:
        """UCD1+."""

    @property
    def description(self) -> str | None:
        """Words for people."""


def element(name: str, attributes: Mapping[str, str | None], content: str | None = None) -> str:
    """Return an XML element; attributes that are None are left out, `content` is XML already."""
    text = "".join(f" {key}={quoteattr(_clean(value))}" for key, value in attributes.items() if value is not None)
    return f"<{name}{text}/>" if content is None else f"<{name}{text}>{content}</{name}>"


def field_element(field: FieldFacts, identifier: str | None = None, tag: str = "FIELD") -> str:
    """Return the FIELD of a column.

    Parameters
    ----------
    field : FieldFacts
    identifier : str, optional
        Its ID.
    tag : str
        ``PARAM`` has the same attributes.

    Returns
    -------
    str
    """
    attributes = {
        "ID": identifier,
        "name": field.name,
        "datatype": field.datatype,
        "arraysize": field.arraysize,
        "xtype": getattr(field, "xtype", None),
        "unit": field.unit,
        "ucd": field.ucd,
    }
    description = field.description
    return element(
        tag, attributes, f"<DESCRIPTION>{escape(_clean(description))}</DESCRIPTION>" if description else None
    )


def info_element(name: str, value: str, content: str | None = None) -> str:
    """Return an INFO; `content` is text that people read."""
    return element("INFO", {"name": name, "value": value}, None if content is None else escape(_clean(content)))


def votable_head(description: str | None, infos: Iterable[str]) -> str:
    """Return the beginning of a document, as far as the RESOURCE of its results."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<VOTABLE version="1.4" xmlns="{NAMESPACE}">',
        ' <RESOURCE type="results">',
    ]
    if description:
        lines.append(f"  <DESCRIPTION>{escape(_clean(description))}</DESCRIPTION>")
    lines += [f"  {info}" for info in infos]
    return "\n".join(lines) + "\n"


def table_head(
    fields: Iterable[str], attributes: Mapping[str, str | None] | None = None, description: str | None = None
) -> str:
    """Return the beginning of a TABLE, as far as its last FIELD."""
    opening = element("TABLE", attributes or {}, "").removesuffix("</TABLE>")
    lines = [f"  {opening}"]
    if description:
        lines.append(f"   <DESCRIPTION>{escape(_clean(description))}</DESCRIPTION>")
    lines += [f"   {field}" for field in fields]
    return "\n".join(lines) + "\n"


class Base64Lines:
    """Bytes that come in pieces, as lines of base64."""

    def __init__(self) -> None:
        self._rest = b""

    def encode(self, data: bytes) -> bytes:
        """Return the lines that are full."""
        data = self._rest + data
        whole = len(data) - len(data) % _LINE
        self._rest = data[whole:]
        return base64.encodebytes(data[:whole])

    def finish(self) -> bytes:
        """Return the last line."""
        rest, self._rest = self._rest, b""
        return base64.encodebytes(rest)


def _clean(text: str) -> str:
    # XML 1.0 has no place for these, escaped or not.
    return _NO_XML.sub("?", text)
