"""Cone search (SCS 1.03) on the extended table, by the same index as ADQL's cones."""

import math
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.metadata.columns import RVS_CNN_EXTENDED
from catalog.publish.formats.votable_document import info_element, votable_head
from catalog.service.tap.errors import VOTABLE, ServiceError, describe_error
from catalog.service.tap.execution import Execution
from catalog.service.tap.formats import find_format
from catalog.service.tap.origin import CONE_SEARCH, Origin
from catalog.service.tap.parameters import client_of, read_max_rows, read_parameters
from catalog.service.tap.state import state_of
from catalog.service.tap.sync import StreamedAnswer

__all__ = ["ROUTES", "cone_query"]

_TABLE = RVS_CNN_EXTENDED
_SHORT = ("source_id", "ra", "dec", "phot_g_mean_mag", "teff", "logg", "mh", "alpham", "feh", "flag_boundary")


def cone_query(ra: float, dec: float, radius: float, verbosity: int) -> str:
    """Return the ADQL of a cone search, angles in degrees.

    Parameters
    ----------
    ra, dec, radius : float
    verbosity : int
        1: few columns, 2: the principal ones, 3: all.
    """
    if verbosity == 1:
        columns = list(_SHORT)
    elif verbosity == 2:
        columns = [column.name for column in _TABLE.columns if column.name in _SHORT or column.principal]
    else:
        columns = list(_TABLE.column_names)
    return (
        f"SELECT {', '.join(columns)} FROM {_TABLE.qualified_name} "
        f"WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({ra:.12f}, {dec:.12f}, {radius:.12f}))"
    )


async def _cone(request: Request) -> Response:
    state = state_of(request)
    try:
        parameters = await read_parameters(request, state.limits)
        await parameters.close()
        values = {name: parameters.get(name) for name in ("RA", "DEC", "SR", "VERB", "MAXREC")}
        ra = _angle(values, "RA", 0.0, 360.0)
        dec = _angle(values, "DEC", -90.0, 90.0)
        radius = _angle(values, "SR", 0.0, 180.0)
        if (verbosity := values["VERB"] or "2") not in ("1", "2", "3"):
            raise ServiceError(f"VERB is {verbosity[:20]!r}.", "It may be 1, 2 or 3.")
        max_rows = read_max_rows(values["MAXREC"], state.limits.cone_rows, state.limits.cone_rows)
        format_ = find_format(parameters.get("RESPONSEFORMAT") or "votable/td")
    except ServiceError as error:
        return _refuse(error)
    # SR = 0 asks for the columns alone.
    query = cone_query(ra, dec, radius, int(verbosity))
    execution = Execution(
        query,
        format_,
        max_rows if radius > 0 else 0,
        state.limits.sync_seconds,
        state.limits,
        origin=Origin(state.producer, CONE_SEARCH, query),
    )
    return StreamedAnswer(state, execution, client_of(request), refuse=_refuse)


def _angle(values: Mapping[str, str | None], name: str, low: float, high: float) -> float:
    text = values[name]
    if text is None:
        raise ServiceError(f"{name} is missing.", "RA, DEC and SR are needed, in degrees.")
    try:
        value = float(text)
    except ValueError as error:
        raise ServiceError(f"{name} is {text[:50]!r}.", "Give decimal degrees.") from error
    if not (math.isfinite(value) and low <= value <= high):
        raise ServiceError(f"{name} is {text[:50]}.", f"It lies in {low:g} to {high:g} degrees.")
    return value


def _refuse(error: BaseException) -> Response:
    """Return an error as SCS tells it: HTTP 200, and an INFO called Error."""
    status, message = describe_error(error)
    head = votable_head(None, [info_element("QUERY_STATUS", "ERROR", message)])
    told = info_element("Error", message)
    return Response(f"{head}  {told}\n </RESOURCE>\n</VOTABLE>\n", status if status >= 500 else 200, None, VOTABLE)


ROUTES = [Route("/cone", _cone, methods=["GET", "POST"])]
