"""Where an answer comes from and under which licence, told as the IVOA's note "Data Origin in the VO" has it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection

from catalog import __version__
from catalog.publish.handover.about import PAPER_BIBCODE
from catalog.publish.handover.producer import Producer
from catalog.service.published import served_table
from catalog.service.tap.uws import timestamp

__all__ = ["CONE_SEARCH", "TAP", "Origin"]

TAP = "ivo://ivoa.net/std/TAP"
CONE_SEARCH = "ivo://ivoa.net/std/ConeSearch"

# Longer ones would outweigh short answers.
_MOST_CHARACTERS = 10_000


@dataclass(frozen=True)
class Origin:
    """Of one answer."""

    producer: Producer
    protocol: str
    """Identifier of the standard by which it was asked for."""
    query: str

    def facts(self, connection: Connection) -> list[tuple[str, str]]:
        """Return names and values; what nobody has said is left out.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the query, after it began: its locks keep the version from being exchanged.

        Returns
        -------
        list of tuple of str
        """
        producer = self.producer
        served = served_table(connection)
        said = {
            "publisher": producer.publisher,
            "contact": producer.contact.email,
            "citation": f"doi:{producer.doi}" if producer.doi else "",
            "reference_url": producer.reference,
            "resource_version": str(served.version) if served and served.version else "",
            "rights": producer.licence,
            "rights_uri": producer.licence_address,
        }
        return [
            ("service_protocol", self.protocol),
            ("server_software", f"rvscat/{__version__}"),
            ("request_date", timestamp(datetime.now(UTC))),
            *([("query", self.query)] if len(self.query) <= _MOST_CHARACTERS else []),
            *((name, value) for name, value in said.items() if value),
            *(("creator", creator.name) for creator in producer.creators),
            ("article", PAPER_BIBCODE),
        ]
