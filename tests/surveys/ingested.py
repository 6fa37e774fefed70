"""What ingestion has left in the database, asked through a connection of its own."""

from collections.abc import Callable
from typing import Any

from catalog.surveys.ingest import IngestedFile

RVS, XP, GAIA = "rvs_mean_spectrum", "xp_continuous_mean_spectrum", "gaia_source"

Ingest = Callable[..., IngestedFile]
Rows = Callable[[str], list[tuple[Any, ...]]]


def count(rows: Rows, table: str) -> int:
    return int(rows(f"SELECT count(*) FROM {table}")[0][0])


def ledger(rows: Rows) -> list[tuple[Any, ...]]:
    return rows("SELECT name, status, n_rows, n_quarantined FROM production.ingest_file ORDER BY file_id")


def quarantine(rows: Rows) -> list[tuple[Any, ...]]:
    return rows("SELECT row_number, identifier, rule FROM production.quarantine ORDER BY file_id, row_number")
