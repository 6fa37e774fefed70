"""The ledger of survey files: which were read, under which checksum, and what became of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection

from catalog.errors import FormatError

__all__ = [
    "FreedFile",
    "LedgerEntry",
    "begin_file",
    "complete_file",
    "find_complete",
    "freed_files",
    "record_refusal",
    "replace_file",
    "sha256_of",
]

# Stars that a file's rows were set aside for as duplicates, and that no file has any more.
_FREED = """
SELECT f.file_id, f.name, f.sha256, count(DISTINCT q.identifier)
FROM production.quarantine q
JOIN production.ingest_file f ON f.file_id = q.file_id
WHERE f.release = %(release)s AND f.product = %(product)s AND f.status = 'complete' AND q.rule = 'duplicate'
  AND NOT EXISTS (
      SELECT FROM {table} t WHERE t.release = f.release AND t.source_id = CAST(q.identifier AS bigint)
  )
GROUP BY f.file_id, f.name, f.sha256
ORDER BY f.name
"""


@dataclass(frozen=True)
class LedgerEntry:
    """A file that was read completely before."""

    file_id: int
    sha256: str
    n_rows: int
    n_quarantined: int


@dataclass(frozen=True)
class FreedFile:
    """A complete file with rows that were set aside as duplicates of another file's, which has gone."""

    file_id: int
    name: str
    sha256: str
    n_stars: int


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


def freed_files(connection: Connection, release: str, product: str, table: str) -> list[FreedFile]:
    """Find files that must be read again, since a file that held some of their stars was replaced.

    Parameters
    ----------
    connection : psycopg.Connection
    release : str
        Key of the survey rows.
    product : str
        A product whose rows are one a (release, source_id).
    table : str
        Its table.

    Returns
    -------
    list of FreedFile
    """
    rows = connection.execute(_FREED.format(table=table), {"release": release, "product": product}).fetchall()
    return [FreedFile(*row) for row in rows]


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
