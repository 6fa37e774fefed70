"""The published catalogue as files: streamed from the database, whole or not there, checksums beside them.

All formats of a table are written in one pass over its rows; the CDS's tables and HATS need one more before it. What
was left by an export that was killed is removed by the next one, which writes again what was not finished.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path

from psycopg import Connection, sql

from catalog import __version__
from catalog.errors import ConfigurationError, DatabaseError
from catalog.metadata.columns import RVS_CNN, RVS_CNN_EXTENDED, TableInfo
from catalog.progress import Progress, silent
from catalog.publish.formats import FORMATS, PACKAGES, Facts
from catalog.publish.formats.layout import NOBODY
from catalog.publish.gate import PublicationError
from catalog.publish.handover.producer import Producer
from catalog.publish.packages import PART, Output, open_outputs, plan_outputs, remove_output, with_positions
from catalog.publish.publications import Publication, find_publication
from catalog.publish.rows import Block, stream_rows
from catalog.publish.tables import table_name

__all__ = ["CHECKSUMS", "NO_AUTHOR", "TABLES", "Export", "export_catalogue", "exporting"]

CHECKSUMS = "SHA256SUMS"
TABLES: dict[str, TableInfo] = {info.name: info for info in (RVS_CNN, RVS_CNN_EXTENDED)}
"""Tables that are exported."""
NO_AUTHOR = (
    "The files name no author: nobody has said whose catalogue it is. Name them in handover.toml, or by --author."
)
"""What is told of files without an author."""
_BLOCK = 25_000


@dataclass(frozen=True)
class Export:
    """Files of one version."""

    folder: Path
    version: int
    n_rows: int
    files: dict[str, str]
    """SHA-256 of each file by its name."""
    written: tuple[str, ...]
    """Names of the files and folders that were not there before."""


def export_catalogue(
    connection: Connection,
    folder: Path,
    formats: Sequence[str],
    progress: Progress = silent,
    version: int | None = None,
    tables: Sequence[str] = tuple(TABLES),
    author: str | None = None,
    producer: Producer | None = None,
) -> Export:
    """Write a published version in each of `formats`, with ``SHA256SUMS``.

    A file or folder appears under its name only when it is whole. Those that are there already with the same content
    are left alone.

    Parameters
    ----------
    connection : psycopg.Connection
    folder : Path
        Made if missing.
    formats : sequence of str
        Names in `FORMATS`.
    progress : Progress
    version : int, optional
        The current one by default.
    tables : sequence of str
        Names in `TABLES`.
    author : str, optional
        Whose catalogue it is, for the files' headers; by default the creators that `producer` names.
    producer : Producer, optional
        Who made the catalogue, and its licence.

    Returns
    -------
    Export

    Raises
    ------
    ConfigurationError
        An unknown format or table.
    NotFoundError
        There is no such version.
    PublicationError
        It was retracted.
    DatabaseError
        The version's table does not have the rows that were published, or one that a format cannot hold; or another
        process writes into `folder`.
    """
    _check_known("format", formats, FORMATS)
    _check_known("table", tables, tuple(TABLES))
    publication = find_publication(connection, version)
    if publication.retracted:
        raise PublicationError(
            f"Version {publication.version} was retracted: {publication.retracted.reason}.",
            "Export another version: `rvscat publish --list`.",
        )
    chosen = [TABLES[name] for name in dict.fromkeys(tables)]
    facts = {info.name: _facts(publication, info, author, producer or Producer()) for info in TABLES.values()}
    with exporting(folder):
        known, damaged = _known_files(folder, facts)
        outputs = [_joined(output, known) for output in plan_outputs(formats, chosen)]
        missing = [output for output in outputs if not _is_there(output, known, damaged)]
        if missing:
            _write_outputs(connection, folder, missing, facts, progress)
            known = _with_checksums(folder, known, missing, facts)
    progress(1, 1, f"files of version {publication.version}")
    names = tuple(output.name for output in missing)
    return Export(folder, publication.version, publication.n_rows, dict(sorted(known.items())), names)


@contextmanager
def exporting(folder: Path) -> Iterator[None]:
    """Keep other exports out of `folder`, which is made; the kernel frees it when this process ends, however it ends.

    Raises
    ------
    DatabaseError
        Another process writes into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseError(
                f"Another process exports to {folder}.", "Wait until it is done, or name another folder."
            ) from None
        yield
    finally:
        os.close(handle)


def _check_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [each for each in names if each not in known]:
        raise ConfigurationError(f"Unknown export {what}: {', '.join(unknown)}.", f"There are: {', '.join(known)}.")


def _facts(publication: Publication, info: TableInfo, author: str | None, producer: Producer) -> Facts:
    return Facts(
        info.title,
        publication.version,
        publication.run_id,
        publication.n_rows,
        publication.sha256,
        publication.published_at.astimezone(UTC).isoformat(timespec="seconds"),
        f"rvscat {__version__}",
        validation="not recorded" if publication.verdict is None else publication.verdict.words,
        author=author or producer.names or NOBODY,
        publisher=producer.publisher,
        citation=f"doi:{producer.doi}" if producer.doi else "",
        rights=producer.licence,
        rights_uri=producer.licence_address,
    )


def _known_files(folder: Path, facts: dict[str, Facts]) -> tuple[dict[str, str], list[str]]:
    """Return the files of this version's content whose checksums still hold, and the names of others."""
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        sums = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
        for name in (each for each in TABLES if _description_name(each) in sums):
            described = json.loads((folder / _description_name(name)).read_text(encoding="utf-8"))
            if described["facts"] != asdict(facts[name]):
                return {}, []
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # No earlier export, or one that was tampered with: everything is written anew.
        return {}, []
    known = {name: sha256 for name, sha256 in sums.items() if _sha256(folder / name) == sha256}
    return known, [name for name in sums if name not in known]


def _joined(output: Output, known: dict[str, str]) -> Output:
    """Return `output` with the tables that its folder has already."""
    if output.form != "cds":
        return output
    wanted = [info for info in TABLES.values() if info in output.tables or f"cds/{info.name}.dat" in known]
    return Output(output.name, output.form, tuple(wanted))


def _is_there(output: Output, known: dict[str, str], damaged: Sequence[str]) -> bool:
    if any(_description_name(info.name) not in known for info in output.tables):
        return False
    if output.form in PACKAGES and any(name.startswith(f"{output.name}/") for name in damaged):
        return False
    if output.form == "cds":
        return "cds/ReadMe" in known and all(f"cds/{info.name}.dat" in known for info in output.tables)
    if output.form == "hats":
        return f"{output.name}/collection.properties" in known
    return output.name in known


def _write_outputs(
    connection: Connection, folder: Path, outputs: Sequence[Output], facts: dict[str, Facts], progress: Progress
) -> None:
    for part in folder.glob(f"*{PART}"):
        # An earlier attempt was killed.
        remove_output(part)
    parts = {output.name: folder / f"{output.name}{PART}" for output in outputs}
    words = ", ".join(dict.fromkeys(output.form for output in outputs))
    try:
        with ExitStack() as stack:
            feeders, two_passes, finish = open_outputs(stack, folder, outputs, facts)
            passes = 2 if two_passes else 1
            total = passes * sum(facts[name].n_rows for name in feeders)
            done = 0
            # One transaction: nobody drops the table meanwhile.
            with connection.transaction():
                for turn in range(passes):
                    for name, takers in feeders.items():
                        need_positions = any(output.form == "hats" for output in outputs)
                        for block in _counted(_blocks(connection, name, facts[name], need_positions), facts[name]):
                            for feeder in takers:
                                (feeder.write if turn == passes - 1 else feeder.measure)(block)
                            done += len(block[0])
                            progress(done, total, f"{'writing' if turn == passes - 1 else 'measuring'} {words}")
            finish()
        for output in outputs:
            target = folder / output.name
            if target.is_dir():
                remove_output(target)
            parts[output.name].replace(target)
    finally:
        for path in parts.values():
            remove_output(path)


def _blocks(connection: Connection, name: str, facts: Facts, positions: bool) -> Iterator[Block]:
    info = TABLES[name]
    wide = with_positions(info) if positions else info
    table, identifier = table_name(info, facts.version), sql.SQL("source_id")
    source = sql.SQL("{} AS narrow").format(table)
    if wide is not info:
        source = sql.SQL('{} JOIN (SELECT sourceid, source_id, ra, "dec" FROM {}) AS star USING (sourceid)').format(
            source, table_name(RVS_CNN_EXTENDED, facts.version)
        )
    elif "source_id" not in info.column_names:
        # By number, not by text: the order of the sky.
        identifier = sql.SQL("CAST(sourceid AS bigint)")
    columns = sql.SQL(", ").join(map(sql.Identifier, wide.column_names))
    select = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(columns, source, identifier)
    return stream_rows(connection, select, wide, _BLOCK)


def _counted(blocks: Iterator[Block], facts: Facts) -> Iterator[Block]:
    """Yield the blocks; raise DatabaseError when they are not the rows that were published."""
    n_rows = 0
    for block in blocks:
        n_rows += len(block[0])
        if n_rows > facts.n_rows:
            break
        yield block
    if n_rows != facts.n_rows:
        found = "more" if n_rows > facts.n_rows else str(n_rows)
        raise DatabaseError(
            f"Version {facts.version} was published with {facts.n_rows} rows, but its table has {found}.",
            "The table was changed by hand: publish the run again as a new version.",
        )


def _with_checksums(
    folder: Path, known: dict[str, str], outputs: Sequence[Output], facts: dict[str, Facts]
) -> dict[str, str]:
    """Write descriptions and ``SHA256SUMS``; return all files with their checksums."""
    names = [name for output in outputs for name in _files_of(folder, output.name)]
    for name in {info.name for output in outputs for info in output.tables}:
        _write_whole(folder / _description_name(name), _description(TABLES[name], facts[name]))
        names.append(_description_name(name))
    replaced = tuple(f"{output.name}/" for output in outputs)
    files = {name: sha256 for name, sha256 in known.items() if (folder / name).is_file()}
    files = {name: sha256 for name, sha256 in files.items() if not name.startswith(replaced)}
    files |= {name: _sha256(folder / name) for name in names}
    _write_whole(folder / CHECKSUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files.items())))
    return files


def _files_of(folder: Path, name: str) -> list[str]:
    path = folder / name
    if path.is_file():
        return [name]
    return [str(each.relative_to(folder)) for each in sorted(path.rglob("*")) if each.is_file()]


def _description_name(table: str) -> str:
    return f"{table}.json"


def _description(info: TableInfo, facts: Facts) -> str:
    columns = [
        {
            "name": column.name,
            "datatype": column.datatype,
            "arraysize": column.arraysize,
            "unit": column.unit,
            "ucd": column.ucd,
            "nullable": column.nullable,
            "description": column.description,
        }
        for column in info.columns
    ]
    document = {"facts": asdict(facts), "description": info.description, "columns": columns}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + PART)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
