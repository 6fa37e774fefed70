"""What changed in the stars that two catalogues have in common, and which stars only one of them has."""

from collections import Counter
from collections.abc import Mapping, Sequence
from csv import DictReader
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import ClientCursor, Connection
from psycopg.rows import dict_row

from catalog.database.copy_out import stream_arrays
from catalog.database.queries import load
from catalog.metadata import LABELS

__all__ = ["Pairs", "fetch_pairs", "fetch_rows", "place_counts", "read_changed", "write_changed"]

_CHUNK = 65_536

_FIELDS = {
    "training": ("bool", None),
    "bits": ("int4", None),
    "other_bits": ("int4", None),
    **{label.name: ("float4", None) for label in LABELS},
    **{f"{label.name}_other": ("float4", None) for label in LABELS},
    **{f"{label.name}_sigma": ("float4", None) for label in LABELS},
}


@dataclass(frozen=True)
class Pairs:
    """Columns of ``sql/validation/against_stars.sql``, each of shape (n,): one row a star in both catalogues."""

    columns: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["training"])

    def difference(self, name: str) -> np.ndarray:
        """Return the difference of a label, run minus other, shape (n,); NaN where one has no number."""
        return self.columns[name] - self.columns[f"{name}_other"]

    def pull(self, name: str) -> np.ndarray:
        """Return the difference of a label in units of the combined sigma, shape (n,)."""
        return self.difference(name) / self.columns[f"{name}_sigma"]

    @cached_property
    def largest(self) -> np.ndarray:
        """Largest change of any label of each star, in units of the combined sigma, shape (n,); 0 without a number."""
        return np.max([np.nan_to_num(np.abs(self.pull(label.name)), nan=0.0) for label in LABELS], axis=0)

    @cached_property
    def flagged(self) -> np.ndarray:
        """Mask of the stars with a flag in both catalogues."""
        return (self.columns["bits"] >= 0) & (self.columns["other_bits"] >= 0)

    @cached_property
    def inside(self) -> np.ndarray:
        """Mask of the stars that lie inside the limits in both."""
        return (self.columns["bits"] == 0) & (self.columns["other_bits"] == 0)


def fetch_pairs(connection: Connection, parameters: Mapping[str, Any]) -> Pairs:
    """Read the narrow columns of all stars in both catalogues, of which there must be some.

    Parameters
    ----------
    connection : psycopg.Connection
    parameters : mapping
        ``run_id``, ``other_run_id`` and ``release``.

    Returns
    -------
    Pairs
    """
    statement = load("validation/against_stars").statement
    blocks = list(stream_arrays(connection, statement, parameters, _FIELDS, _CHUNK))
    return Pairs({name: np.concatenate([block[name] for block in blocks]) for name in _FIELDS})


def fetch_rows(connection: Connection, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of ``sql/validation/against_<name>.sql`` with plain numbers."""
    query = load(f"validation/against_{name}")
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query.statement, {key: parameters[key] for key in query.parameters}).fetchall()
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    # sum() of counts and avg() of integers come as numeric.
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    return value


def place_counts(coverage: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of stars in ``both``, in ``this`` and in the ``other`` catalogue alone."""
    found: Counter[str] = Counter({"both": 0, "this": 0, "other": 0})
    for row in coverage:
        found[row["place"]] += row["n"]
    return dict(found)


def write_changed(connection: Connection, parameters: Mapping[str, Any], path: Path) -> int:
    """Write the stars of ``sql/validation/against_changed.sql`` into a CSV file, the largest change first.

    Parameters
    ----------
    connection : psycopg.Connection
    parameters : mapping
        ``run_id``, ``other_run_id``, ``release``, ``sigma`` and ``most``.
    path : pathlib.Path

    Returns
    -------
    int
        Stars written.
    """
    lines = 0
    with ClientCursor(connection) as quoting:
        select = quoting.mogrify(load("validation/against_changed").statement, parameters)
    copying = f"COPY ({select}) TO STDOUT (FORMAT csv, HEADER)"
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(copying) as copy:
        for block in copy:
            lines += bytes(block).count(b"\n")
            file.write(block)
    return lines - 1


def read_changed(path: Path, most: int) -> list[dict[str, Any]]:
    """Return the first stars of a file that `write_changed` wrote, at most `most`, with numbers as numbers."""
    texts = {"role", "label", "flag_boundary", "flag_boundary_other"}
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: value if key in texts else _number(value) for key, value in row.items()}
            for row in islice(DictReader(file), most)
        ]


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
