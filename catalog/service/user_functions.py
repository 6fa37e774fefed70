"""Functions beyond ADQL: those of the IVOA's catalogue of user defined functions that fit here, and rvscat's own.

The IVOA's have the names and meanings of "Catalogue of ADQL User Defined Functions" (endorsed note 1.1).
``ivo_string_agg`` is left out: the database holds its result in memory, and nothing bounds it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from catalog.errors import QueryError
from catalog.metadata import FLAG_DIGITS
from catalog.service.healpix import MAX_ORDER, SOURCE_ORDER, pixel_index, source_pixel
from catalog.service.numbers import number
from catalog.service.shapes import POINTS, read_point
from catalog.service.templates import call_name, literal, substitute

__all__ = ["USER_FUNCTIONS", "UserFunction"]

Build = Callable[[Sequence[exp.Expr]], exp.Expr]


@dataclass(frozen=True)
class UserFunction:
    """A function that this service has beyond ADQL."""

    signature: str
    """As TAPRegExt writes it: ``name(argument TYPE, …) -> TYPE``."""
    description: str
    arity: tuple[int, ...]
    """Numbers of arguments that it takes."""
    build: Build
    """Makes the PostgreSQL expression of the arguments; raises QueryError when they do not fit."""

    @property
    def name(self) -> str:
        """Name in capitals."""
        return self.signature.partition("(")[0].upper()


def _template(text: str) -> Build:
    return lambda arguments: substitute(text, {f"_{i}": value for i, value in enumerate(arguments, start=1)})


def _healpix(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if len(arguments) == 2:
        if call_name(arguments[1]) not in POINTS:
            raise QueryError(
                "IVO_HEALPIX_INDEX takes order and POINT, or order, longitude and latitude.",
                f"RVSCAT_HEALPIX({SOURCE_ORDER}, source_id) gives the pixel that a source_id holds.",
            )
        point = read_point(arguments[1])
        return pixel_index(arguments[0], point.longitude, point.latitude)
    if any(call_name(argument) in POINTS for argument in arguments):
        raise QueryError("IVO_HEALPIX_INDEX takes order and POINT, or order, longitude and latitude.")
    return pixel_index(*arguments)


def _digit(arguments: Sequence[exp.Expr]) -> exp.Expr:
    flag, which = arguments
    names = {digit.name: digit.position for digit in FLAG_DIGITS}
    position = number(which)
    if isinstance(which, exp.Literal) and which.is_string:
        position = names.get(str(which.this).lower())
    if position is None or position not in names.values():
        raise QueryError(
            f"The flag has no digit {which.sql()}.", f"Digits are 1 to {len(names)}, or {', '.join(map(repr, names))}."
        )
    place = {"_flag": flag, "_position": literal(int(position))}
    return substitute("CAST(NULLIF(SUBSTR(_flag, _position, 1), '') AS INTEGER)", place)


def _words(arguments: Sequence[exp.Expr]) -> exp.Expr:
    words = ", ".join(
        f"CASE WHEN SUBSTR(_flag, {digit.position}, 1) = '1' THEN '{_quoted(digit.words)}' END" for digit in FLAG_DIGITS
    )
    return substitute(f"CASE WHEN _flag IS NOT NULL THEN CONCAT_WS('; ', {words}) END", {"_flag": arguments[0]})


def _quoted(text: str) -> str:
    return text.replace("'", "''")


_FUNCTIONS = (
    UserFunction(
        "ivo_healpix_index(hpxOrder INTEGER, ra DOUBLE PRECISION, dec DOUBLE PRECISION) -> BIGINT",
        f"Pixel of the HEALPix scheme, nested, that holds a position in degrees. The order, 0 to {MAX_ORDER}, is "
        "written as a number: the sky has 12 * 4^hpxOrder pixels.",
        (2, 3),
        _healpix,
    ),
    UserFunction(
        "ivo_hashlist_has(hashlist VARCHAR, item VARCHAR) -> INTEGER",
        "1 if item is one of the words of hashlist, which are separated by #, whatever the case; 0 otherwise.",
        (2,),
        _template("CAST(STRPOS('#' || LOWER(_1) || '#', '#' || LOWER(_2) || '#') > 0 AS INTEGER)"),
    ),
    UserFunction(
        "ivo_hasword(haystack VARCHAR, needle VARCHAR) -> INTEGER",
        "1 if needle is a word, or more words in a row, of haystack, whatever the case; 0 otherwise.",
        (2,),
        _template("CAST(TS_MATCH_VQ(TO_TSVECTOR('simple', _1), PHRASETO_TSQUERY('simple', _2)) AS INTEGER)"),
    ),
    UserFunction(
        "ivo_nocasematch(value VARCHAR, pattern VARCHAR) -> INTEGER",
        "1 if value is LIKE pattern, whatever the case; 0 otherwise.",
        (2,),
        _template("CAST(_1 ILIKE _2 AS INTEGER)"),
    ),
    UserFunction(
        "ivo_interval_overlaps(l1 DOUBLE PRECISION, h1 DOUBLE PRECISION, l2 DOUBLE PRECISION, h2 DOUBLE PRECISION)"
        " -> INTEGER",
        "1 if the intervals [l1, h1] and [l2, h2] have a value in common; 0 otherwise.",
        (4,),
        _template("CAST(_1 <= _4 AND _3 <= _2 AS INTEGER)"),
    ),
    UserFunction(
        "rvscat_healpix(hpxOrder INTEGER, source_id BIGINT) -> BIGINT",
        f"Pixel of the HEALPix scheme, nested, that a Gaia source_id holds, at order 0 to {SOURCE_ORDER}, a written "
        "number. Quicker than ivo_healpix_index; it is the pixel of the position when Gaia found the source.",
        (2,),
        lambda arguments: source_pixel(*arguments),
    ),
    UserFunction(
        "rvscat_flag(flag_boundary CHAR(8), digit INTEGER) -> INTEGER",
        "One digit of the boundary flag: 1 outside the training sample's limits, 0 inside. The digit is a written "
        f"number, 1 to {len(FLAG_DIGITS)}, or one of the names "
        f"{', '.join(repr(digit.name) for digit in FLAG_DIGITS)}.",
        (2,),
        _digit,
    ),
    UserFunction(
        "rvscat_flag_words(flag_boundary CHAR(8)) -> VARCHAR",
        "The boundary flag in words; empty for a star inside all limits.",
        (1,),
        _words,
    ),
)

USER_FUNCTIONS: dict[str, UserFunction] = {function.name: function for function in _FUNCTIONS}
"""User defined functions that give a value; ivo_healpix_center, which gives a point, is one of geometry."""
