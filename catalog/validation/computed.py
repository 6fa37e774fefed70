"""Comparisons of which the query gives stars, and Python the rows.

Most comparisons are one query whose rows are judged as they come. Where more than SQL is needed (coordinates,
mixtures), the query gives narrow rows of stars, they come as arrays, and a function makes the rows of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.validation.galactic import STAR_FIELDS, TRUTH_FIELDS, bimodality_rows, truth_rows
from catalog.validation.stars import fetch_columns

__all__ = ["COMPUTED", "Computed", "compute_rows"]

Rows = Callable[[Mapping[str, np.ndarray], Mapping[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Computed:
    """How a comparison is computed from the rows of its query."""

    fields: Mapping[str, tuple[str, int | None]]
    """Columns of the query and their types, as `catalog.database.copy_out.stream_arrays` wants them."""
    rows: Rows
    """From columns and parameters to rows with the columns of every comparison."""
    beside: str | None = None
    """Another computed comparison: only stars that its query gives too are taken, with its columns as well."""


COMPUTED: Mapping[str, Computed] = {
    "bimodality": Computed(STAR_FIELDS, bimodality_rows),
    "bimodality_truth": Computed(TRUTH_FIELDS, truth_rows, beside="bimodality"),
}
"""By name of the comparison."""


def compute_rows(connection: Connection, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the computed comparison `name`.

    Parameters
    ----------
    connection : psycopg.Connection
    name : str
        One of `COMPUTED`.
    parameters : mapping
        See `catalog.validation.comparisons.query_parameters`.

    Returns
    -------
    list of dict
        None where no star passes the selection.
    """
    computed = COMPUTED[name]
    columns = fetch_columns(connection, name, parameters, computed.fields)
    if computed.beside is not None:
        others = fetch_columns(connection, computed.beside, parameters, COMPUTED[computed.beside].fields)
        _, here, there = np.intersect1d(
            columns["source_id"], others["source_id"], assume_unique=True, return_indices=True
        )
        columns = {key: values[here] for key, values in columns.items()} | {
            key: values[there] for key, values in others.items()
        }
    return computed.rows(columns, parameters) if columns["source_id"].size else []
