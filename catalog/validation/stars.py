"""The narrow columns of all labelled stars, fetched once for every figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.database.copy_out import stream_arrays
from catalog.database.queries import fetch_frame, load
from catalog.metadata import LABELS

__all__ = ["Stars", "fetch_columns", "fetch_map", "fetch_out_of_fold", "fetch_stars"]

_CHUNK = 65_536

_FIELDS = {
    "source_id": ("int8", None),
    "training": ("bool", None),
    "inside": ("bool", None),
    "unlike": ("bool", None),
    **dict.fromkeys(("snr", "g", "bp_rp"), ("float4", None)),
    **{label.name: ("float4", None) for label in LABELS},
    **{f"e{label.name}": ("float4", None) for label in LABELS},
    **{f"sigma_{label.name}": ("float4", None) for label in LABELS},
    **{f"sigma_{label.name}_oof": ("float4", None) for label in LABELS},
    **{f"{label.name}_apogee": ("float4", None) for label in LABELS},
    **{f"{name}_galah": ("float4", None) for name in ("teff", "logg", "alpham", "feh")},
    **{f"{name}_gspspec": ("float4", None) for name in ("teff", "logg", "mh", "alpham")},
    **{f"{name}_gspphot": ("float4", None) for name in ("teff", "logg", "mh")},
    "logg_seismic": ("float4", None),
    **{f"{label.name}_truth": ("float4", None) for label in LABELS},
}


@dataclass(frozen=True)
class Stars:
    """Columns of ``sql/validation/stars.sql``, each of shape (n,); NaN where a survey has no value."""

    columns: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["source_id"])

    @cached_property
    def training(self) -> np.ndarray:
        """Mask of the training sample."""
        return self.columns["training"]

    @cached_property
    def observed(self) -> np.ndarray:
        """Mask of the observed sample inside the limits."""
        return ~self.columns["training"] & self.columns["inside"]

    @cached_property
    def outside(self) -> np.ndarray:
        """Mask of the observed sample outside the limits."""
        return ~self.columns["training"] & ~self.columns["inside"]


def fetch_stars(connection: Connection, parameters: Mapping[str, Any]) -> Stars:
    """Read the columns of all labelled stars of a run.

    Parameters
    ----------
    connection : psycopg.Connection
    parameters : mapping
        See `catalog.validation.comparisons.query_parameters`.

    Returns
    -------
    Stars
    """
    return Stars(fetch_columns(connection, "stars", parameters, _FIELDS))


def fetch_map(connection: Connection, run_id: int, perplexity: int) -> Mapping[str, np.ndarray]:
    """Read one t-SNE map.

    Returns
    -------
    mapping of str to numpy.ndarray
        Columns of ``sql/validation/likeness_map.sql``, each of shape (n,).
    """
    fields = {
        "source_id": ("int8", None),
        "x": ("float4", None),
        "y": ("float4", None),
        "training": ("bool", None),
        "alike": ("bool", None),
        **dict.fromkeys(("teff", "logg", "mh"), ("float4", None)),
    }
    return fetch_columns(connection, "likeness_map", {"run_id": run_id, "perplexity": perplexity}, fields)


def fetch_out_of_fold(connection: Connection, run_id: int) -> Mapping[str, np.ndarray]:
    """Read the out-of-fold residuals of the training stars of a run.

    Returns
    -------
    mapping of str to numpy.ndarray
        Columns of ``sql/validation/out_of_fold.sql``, each of shape (n,); NaN where a star has no calibrated sigma.
    """
    frame = fetch_frame(connection, load("validation/out_of_fold"), {"run_id": run_id})
    return {str(name): frame[name].to_numpy(dtype=np.int64 if name == "source_id" else np.float64) for name in frame}


def fetch_columns(
    connection: Connection, name: str, parameters: Mapping[str, Any], fields: Mapping[str, tuple[str, int | None]]
) -> dict[str, np.ndarray]:
    """Read the rows of a query of ``sql/validation`` as arrays.

    Parameters
    ----------
    connection : psycopg.Connection
    name : str
        Of the query; its rows may hold no null.
    parameters : mapping
        At least those that the query names.
    fields : mapping of str to (type, length)
        Columns of the query, in order; see `catalog.database.copy_out.stream_arrays`.

    Returns
    -------
    dict of str to numpy.ndarray
        Each of shape (n,).
    """
    query = load(f"validation/{name}")
    wanted = {key: parameters[key] for key in query.parameters}
    blocks = list(stream_arrays(connection, query.statement, wanted, fields, _CHUNK))
    return {
        field: np.concatenate([block[field] for block in blocks]) if blocks else np.empty(0, _numpy(fields[field][0]))
        for field in fields
    }


def _numpy(kind: str) -> type[np.generic]:
    return {"int8": np.int64, "bool": np.bool_, "float4": np.float32, "float8": np.float64}[kind]
