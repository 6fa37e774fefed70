"""Who made the catalogue and where it is served: read from ``handover.toml`` in the data folder."""

import re
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from catalog.errors import ConfigurationError
from catalog.publish.handover.about import PAPER_DOI

__all__ = ["FILE", "UNKNOWN", "Contact", "Creator", "Producer", "load_producer"]

FILE = "handover.toml"

UNKNOWN = ":tba"
"""DataCite's word for a value that will be assigned later."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _printable(cls, value: object) -> object:
        # These go into XML, JSON, SQL comments and terminals.
        if isinstance(value, str) and not value.isprintable():
            raise ValueError("printable characters only, on one line")
        return value


class Creator(_Model):
    """A person or organisation that made the catalogue."""

    name: str = Field(min_length=1)
    """``Family name, Given name``, or the name of an organisation."""
    kind: Literal["Personal", "Organizational"] = "Personal"
    orcid: str = Field(default="", pattern=r"^(\d{4}-\d{4}-\d{4}-\d{3}[\dX])?$")
    affiliation: str = ""


class Contact(_Model):
    """Where users ask."""

    name: str = ""
    email: str = Field(default="", pattern=r"^([^@\s]+@[^@\s]+)?$")


class Producer(_Model):
    """What nobody but the producer can say."""

    title: str = ""
    """Of the catalogue; by default that of its table."""
    creators: tuple[Creator, ...] = ()
    publisher: str = ""
    contact: Contact = Contact()
    licence: str = ""
    """SPDX identifier, such as ``CC-BY-4.0``."""
    licence_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    doi: str = Field(default="", pattern=r"^(10\.\d{4,9}/\S+)?$")
    """Of this catalogue, when it has one."""
    authority: str = Field(default="example.org", pattern=r"^[A-Za-z0-9][A-Za-z0-9._~*'()+=-]{2,}$")
    """Naming authority in the VO registry: the record is ``ivo://<authority>/rvs_cnn/…``."""
    service: str = Field(default="http://127.0.0.1:8000", pattern=r"^https?://[^\s?#]+$")
    """Address of `rvscat serve`, as the world sees it."""
    reference: str = Field(default=f"https://doi.org/{PAPER_DOI}", pattern=r"^https?://\S+$")
    """Page that tells people more."""

    @property
    def unsaid(self) -> tuple[str, ...]:
        """What is not said, and an archive will ask for."""
        said = {
            "creators": self.creators,
            "publisher": self.publisher,
            "contact.email": self.contact.email,
            "licence": self.licence,
        }
        missing = [name for name, value in said.items() if not value]
        return (*missing, "authority") if self.authority == "example.org" else tuple(missing)

    @property
    def people(self) -> tuple[Creator, ...]:
        """The creators, or a place for them."""
        return self.creators or (Creator(name=UNKNOWN, kind="Organizational"),)

    @property
    def names(self) -> str:
        """The creators' names; empty when nobody has named them."""
        return "; ".join(creator.name for creator in self.creators)

    @property
    def licence_address(self) -> str:
        """Where the licence can be read."""
        if self.licence_url or not (match := re.fullmatch(r"CC-(BY[A-Z-]*)-(\d\.\d)", self.licence)):
            known = {"CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/"}
            return self.licence_url or known.get(self.licence, "")
        return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/"


def load_producer(home: Path) -> Producer:
    """Read the file, or return the defaults when there is none.

    Raises
    ------
    ConfigurationError
        It is not TOML, or holds an unknown or invalid entry.
    """
    file = home / FILE
    if not file.is_file():
        return Producer()
    try:
        return Producer.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}.", "Correct the file or remove it.") from error
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(f"{file}: {details}.", "docs/handover.md tells what it may hold.") from error
