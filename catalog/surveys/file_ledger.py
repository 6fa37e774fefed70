"""The ledger of survey files: which were read, under which checksum, and what became of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection

from catalog.errors import FormatError

__all__ = ["LedgerEntry", "begin_file", "complete_file", "find_complete", "record_refusal", "replace_file", "sha256_of"]


@dataclass(frozen=True)
class LedgerEntry:
    """A file that was read completely before."""

    file_id: int
    sha256: str
    n_rows: int
    n_quarantined: int


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises
    ------
    FormatError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FormatError(
            f"{path} cannot be read: {error}.", "Check its name and your permission to read it."
        ) from error


def find_complete(connection: Connection, release: str, product: str, name: str) -> LedgerEntry | None:
    """Find the complete file of that name; waits for another process that is just reading it."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"ingest {release}/{product}/{name}",))
    row = connection.execute(
        "SELECT file_id, sha256, n_rows, n_quarantined FROM production.ingest_file "
        "WHERE release = %s AND product = %s AND name = %s AND status = 'complete'",
        (release, product, name),
    ).fetchone()
    return None if row is None else LedgerEntry(*row)


def begin_file(connection: Connection, path: Path, product: str, release: str, sha256: str) -> int:
    """Enter a file as complete; until its transaction ends nobody sees it. Return its file_id."""
    row = connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
        "VALUES (%s, %s, %s, %s, %s, %s, 'complete') RETURNING file_id",
        (release, product, path.name, str(path.absolute()), sha256, path.stat().st_size),
    ).fetchone()
    assert row is not None
    return int(row[0])


def complete_file(
    connection: Connection, file_id: int, n_rows: int, n_quarantined: int, wall_s: float, notices: list[str]
) -> None:
    """Write a file's figures. An earlier refusal of the same bytes is forgotten."""
    connection.execute(
        "UPDATE production.ingest_file SET n_rows = %s, n_quarantined = %s, wall_s = %s, message = %s "
        "WHERE file_id = %s",
        (n_rows, n_quarantined, wall_s, "; ".join(notices) or None, file_id),
    )
    connection.execute(
        "DELETE FROM production.ingest_file old USING production.ingest_file new WHERE new.file_id = %s "
        "AND old.status = 'refused' AND (old.release, old.product, old.name, old.sha256) "
        "= (new.release, new.product, new.name, new.sha256)",
        (file_id,),
    )


def replace_file(connection: Connection, file_id: int, tables: list[str]) -> None:
    """Remove the rows of a complete file from `tables` and mark it as replaced."""
    for table in tables:
        connection.execute(f"DELETE FROM {table} WHERE file_id = %s", (file_id,))
    connection.execute("UPDATE production.ingest_file SET status = 'replaced' WHERE file_id = %s", (file_id,))


def record_refusal(connection: Connection, path: Path, product: str, release: str, sha256: str, message: str) -> None:
    """Enter a file as refused; the latest refusal of the same bytes counts."""
    key = (release, product, path.name, sha256)
    connection.execute(
        "DELETE FROM production.ingest_file "
        "WHERE status = 'refused' AND (release, product, name, sha256) = (%s, %s, %s, %s)",
        key,
    )
    connection.execute(
        "INSERT INTO production.ingest_file "
        "(release, product, name, sha256, path, bytes, n_rows, n_quarantined, status, message) "
        "VALUES (%s, %s, %s, %s, %s, %s, 0, 0, 'refused', %s)",
        (*key, str(path.absolute()), path.stat().st_size, message),
    )
