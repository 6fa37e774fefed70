"""What the service's ADQL is made of, as a TAP service declares it in /capabilities (TAPRegExt 1.0).

Everything is read from where the functions are defined, so that what is declared is what is answered.
"""

from dataclasses import dataclass

from catalog.service.geometry import GEOMETRY
from catalog.service.healpix import MAX_ORDER
from catalog.service.user_functions import USER_FUNCTIONS

__all__ = ["ADQL_LANGUAGE", "Feature", "FeatureGroup", "Language"]

_REGEXT = "ivo://ivoa.net/std/TAPRegExt"


@dataclass(frozen=True)
class Feature:
    """One ``feature`` element."""

    form: str
    """Keyword, name of a function, or signature of a user defined function."""
    description: str | None = None


@dataclass(frozen=True)
class FeatureGroup:
    """One ``languageFeatures`` element."""

    type: str
    """Identifier of the kind of features, ``ivo://…``."""
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class Language:
    """One ``language`` element."""

    name: str
    versions: tuple[tuple[str, str], ...]
    """Number and identifier (``ivo-id``) of each version."""
    description: str
    groups: tuple[FeatureGroup, ...]


def _plain(kind: str, *forms: str) -> FeatureGroup:
    return FeatureGroup(f"{_REGEXT}#features-{kind}", tuple(Feature(form) for form in forms))


_HEALPIX_CENTRE = Feature(
    "ivo_healpix_center(hpxOrder INTEGER, hpxIndex BIGINT) -> POINT",
    f"Centre of a pixel of the HEALPix scheme, nested. The order, 0 to {MAX_ORDER}, is written as a number. The point "
    "is an argument of COORD1, COORD2, DISTANCE, CONTAINS, …",
)

_GEOMETRY_NOTES = {
    "BOX": "Its sides are great circles; sizes are lengths on the sky, so that a BOX is as wide near a pole.",
    "CONTAINS": "Takes a POINT and a CIRCLE, BOX or POLYGON, or two CIRCLEs; = 1 uses the index on positions.",
    "COORDSYS": "Always ICRS.",
    "DISTANCE": "Of two POINTs, or of two longitudes and latitudes; < radius uses the index on positions.",
    "INTERSECTS": "Takes a POINT and a CIRCLE, BOX or POLYGON, or two CIRCLEs.",
    "POLYGON": "Corners are numbers, in either order; at most a hemisphere.",
}

_USER_FUNCTIONS = FeatureGroup(
    f"{_REGEXT}#features-udf",
    (
        _HEALPIX_CENTRE,
        *(Feature(function.signature, function.description) for function in USER_FUNCTIONS.values()),
    ),
)

_GEOMETRY = FeatureGroup(
    f"{_REGEXT}#features-adqlgeo",
    tuple(Feature(name, _GEOMETRY_NOTES.get(name)) for name in GEOMETRY if not name.startswith("IVO_")),
)

ADQL_LANGUAGE = Language(
    "ADQL",
    (("2.1", "ivo://ivoa.net/std/ADQL#v2.1"), ("2.0", "ivo://ivoa.net/std/ADQL#v2.0")),
    "Astronomical Data Query Language 2.1, and what of 2.0 differs from it.",
    (
        _USER_FUNCTIONS,
        _GEOMETRY,
        _plain("adql-string", "LOWER", "UPPER", "ILIKE"),
        _plain("adql-conditional", "COALESCE"),
        _plain("adql-sets", "UNION", "EXCEPT", "INTERSECT"),
        _plain("adql-common-table", "WITH"),
        _plain("adql-type", "CAST"),
        _plain("adql-unit", "IN_UNIT"),
        _plain("adql-offset", "OFFSET"),
        # Not in the recommendation, but in drafts of it, where clients know it from.
        _plain("adql-bitwise", "BITWISE_AND", "BITWISE_OR", "BITWISE_XOR", "BITWISE_NOT"),
    ),
)
"""The one query language, with its optional features."""
