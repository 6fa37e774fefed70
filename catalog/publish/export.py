"""The published catalogue as files, in one pass over its rows."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
from psycopg import Connection, sql

from catalog import __version__
from catalog.errors import ConfigurationError, DatabaseError
from catalog.metadata.columns import RVS_CNN, TableInfo
from catalog.progress import Progress, silent
from catalog.publish.formats import WRITERS, Facts, row_type
from catalog.publish.publications import find_publication
from catalog.publish.tables import table_name

__all__ = ["CHECKSUMS", "Export", "export_catalogue"]

CHECKSUMS = "SHA256SUMS"
_BLOCK = 50_000
_PART = ".part"


@dataclass(frozen=True)
class Export:
    """Files of one version."""

    folder: Path
    version: int
    n_rows: int
    files: dict[str, str]
    """SHA-256 of each file by its name."""
    written: tuple[str, ...]
    """Names of the files that were not there before."""


def export_catalogue(
    connection: Connection,
    folder: Path,
    formats: Sequence[str],
    progress: Progress = silent,
    version: int | None = None,
) -> Export:
    """Write ``rvs_cnn`` of a published version in each of `formats`, with ``SHA256SUMS``.

    A file appears under its name only when it is whole. Files that are there already with the same content are
    left alone.

    Parameters
    ----------
    connection : psycopg.Connection
    folder : Path
        Made if missing.
    formats : sequence of str
        Names in `WRITERS`.
    progress : Progress
    version : int, optional
        The current one by default.

    Returns
    -------
    Export

    Raises
    ------
    ConfigurationError
        An unknown format.
    NotFoundError
        There is no such version.
    DatabaseError
        The version's table does not have the rows that were published.
    """
    if unknown := [each for each in formats if each not in WRITERS]:
        raise ConfigurationError(
            f"Unknown export format: {', '.join(unknown)}.", f"The formats are {', '.join(WRITERS)}."
        )
    publication = find_publication(connection, version)
    facts = Facts(
        RVS_CNN.title,
        publication.version,
        publication.run_id,
        publication.n_rows,
        publication.sha256,
        publication.published_at.astimezone(UTC).isoformat(timespec="seconds"),
        f"rvscat {__version__}",
        **({} if publication.verdict is None else {"validation": publication.verdict.words}),
    )
    folder.mkdir(parents=True, exist_ok=True)
    known = _known_files(folder, facts)
    names = {f"{RVS_CNN.name}.{WRITERS[each].extension}": each for each in dict.fromkeys(formats)}
    missing = {name: each for name, each in names.items() if name not in known}
    if missing:
        _write_files(connection, folder, missing, facts, progress)
        files = {name: sha256 for name, sha256 in known.items() if (folder / name).is_file()}
        description = _description_name()
        _write_whole(folder / description, _description(facts))
        files |= {name: _sha256(folder / name) for name in (*missing, description)}
        lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(files.items())]
        _write_whole(folder / CHECKSUMS, "".join(lines))
        known = files
    progress(1, 1, f"files of version {publication.version}")
    return Export(folder, publication.version, publication.n_rows, dict(sorted(known.items())), tuple(missing))


def _known_files(folder: Path, facts: Facts) -> dict[str, str]:
    """Return the files of this version's content whose checksums still hold."""
    try:
        described = json.loads((folder / _description_name()).read_text(encoding="utf-8"))
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        same = described["facts"] == asdict(facts)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # No earlier export, or one that was tampered with: everything is written anew.
        return {}
    if not same:
        return {}
    sums = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    return {name: sha256 for name, sha256 in sums.items() if _sha256(folder / name) == sha256}


def _write_files(connection: Connection, folder: Path, names: dict[str, str], facts: Facts, progress: Progress) -> None:
    parts = {name: folder / f"{name}{_PART}" for name in names}
    n_rows = 0
    try:
        with ExitStack() as stack:
            writers = []
            for name, path in parts.items():
                # An earlier attempt may have left its part; a stream would go on at its end.
                path.unlink(missing_ok=True)
                writer = WRITERS[names[name]](path, RVS_CNN, facts)
                stack.callback(writer.close)
                writers.append(writer)
            for rows in _blocks(connection, RVS_CNN, facts.version):
                n_rows += len(rows)
                if n_rows > facts.n_rows:
                    break
                for writer in writers:
                    writer.write(rows)
                progress(n_rows, facts.n_rows, f"writing {', '.join(names.values())}")
        if n_rows != facts.n_rows:
            found = "more" if n_rows > facts.n_rows else str(n_rows)
            raise DatabaseError(
                f"Version {facts.version} was published with {facts.n_rows} rows, but its table has {found}.",
                "The table was changed by hand: publish the run again as a new version.",
            )
        for name, path in parts.items():
            path.replace(folder / name)
    finally:
        for path in parts.values():
            path.unlink(missing_ok=True)


def _blocks(connection: Connection, info: TableInfo, version: int) -> Iterator[np.ndarray]:
    kind = row_type(info)
    # By number, not by text: the order of the sky.
    query = sql.SQL("SELECT {} FROM {} ORDER BY CAST(sourceid AS bigint)").format(
        sql.SQL(", ").join(map(sql.Identifier, info.column_names)), table_name(info, version)
    )
    with connection.transaction(), connection.cursor("export", binary=True) as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_BLOCK):
            yield np.array(rows, dtype=kind)


def _description_name() -> str:
    return f"{RVS_CNN.name}.json"


def _description(facts: Facts) -> str:
    columns = [
        {
            "name": column.name,
            "datatype": column.datatype,
            "arraysize": column.arraysize,
            "unit": column.unit,
            "ucd": column.ucd,
            "description": column.description,
        }
        for column in RVS_CNN.columns
    ]
    document = {"facts": asdict(facts), "description": RVS_CNN.description, "columns": columns}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + _PART)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
