"""What a catalogue is made of, as checksums: equal for equal bytes, whoever made it and when."""

import gzip
import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet
from psycopg import sql

__all__ = ["FREE_COLUMNS", "FREE_FILES", "FREE_FOLDERS", "FREE_TABLES", "Digest", "differences", "digest_of"]

FREE_COLUMNS = {
    # Numbers given in the order of attempts: one that was broken off leaves a gap.
    "run_id", "file_id", "apogee_file_id", "ensemble_id", "stage_id", "base_run_id",
    # When, how long, how much memory.
    "started_at", "finished_at", "created_at", "ingested_at", "published_at", "accepted_at", "progress_at",
    "wall_s", "cpu_s", "peak_mb",
    # Over files that hold times.
    "ensemble.sha256", "file_sha256", "study.settings_key",
    # Of each epoch.
    "seconds",
}  # fmt: skip
"""Columns that may differ between two runs of the same work."""

FREE_TABLES = {
    # Attempts and their ends: what a stage left behind is compared instead.
    "production.stage",
    # Links by numbers that are free.
    "production.run_file",
}
"""Tables that may differ."""

FREE_FILES = ("report.html", "report.json", "parity.csv")
"""Pages of the report tell durations; the results that they show are compared as a table, and figures as files."""

FREE_FOLDERS = ("postgres", "prefect", "logs", "lost+found")
"""Folders of the home that belong to programs: servers' own data and logs."""

_STAGES = (
    ("ingest", r"survey\..*|production\.(ingest_file|quarantine)"),
    ("sample", r"production\.(sample_.*|cluster_match|k2gap_match|changed_star)"),
    ("train", r"production\.(ensemble|ensemble_member|training_residual)"),
    ("predict", r"production\.label"),
    ("study", r"production\.(study|response|sensitivity.*|xp_correlation)"),
    ("flag", r"production\.(likeness.*|boundary.*|companion|training_distance)"),
    ("validate", r"production\.validation_result"),
    ("publish", r"catalogue\..*|tap_schema\..*|production\.(publication|run)"),
    ("mock", r"surveys/.*"),
    ("train", r"ensembles/.*"),
    ("flag", r"likeness/.*"),
    ("validate", r"reports/.*"),
    ("publish", r"exports/.*"),
)

# Times inside files, all in forms of one length so that nothing else moves; and checksums over them.
_TIMES = re.compile(
    rb"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.\d+)?(\+00:00|Z| UTC)?"
    rb"|(?<=CHECKSUM= ')[^']*|(?<=CHECKSUM   )[^\n]*|(?<=-- )[^\n]*written[^\n]*"
)


# How long each stage took, in the report.
_STAGE_ROW = re.compile(rb'<tr><td>[a-z]+</td>(<td class="n">[\d.]+</td>){3}</tr>')
_SUMS = ("SHA256SUMS", "checksums.txt")


@dataclass(frozen=True)
class Digest:
    """Checksums by name: tables as ``schema.table``, files by their path in the home."""

    parts: dict[str, str]


def digest_of(home: Path, url: str) -> Digest:
    """Return the checksums of all that a run left in its home and database."""
    parts: dict[str, str] = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('survey', 'production', 'catalogue', 'tap_schema') AND NOT (table_type = 'VIEW' "
            "AND table_schema IN ('survey', 'production')) ORDER BY 1, 2"
        ).fetchall()
        for schema, table in tables:
            if f"{schema}.{table}" not in FREE_TABLES:
                parts[f"{schema}.{table}"] = _table(connection, schema, table, home)
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if path.is_file() and name.parts[0] not in FREE_FOLDERS and path.name not in FREE_FILES:
            parts[str(name)] = _file(path, home)
    return Digest(parts)


def _table(connection: psycopg.Connection, schema: str, table: str, home: Path) -> str:
    columns = connection.execute(
        "SELECT column_name, data_type IN ('json', 'jsonb') FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        (schema, table),
    ).fetchall()
    kept = [(name, document) for name, document in columns if not {name, f"{table}.{name}"} & FREE_COLUMNS]
    # Documents as they are written, others by COPY: its text of a number gives each bit back.
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        sql.SQL(", ").join(sql.Identifier(name) for name, document in kept if not document),
        sql.Identifier(schema, table),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        # Rows have no order in a table.
        rows = sorted(bytes(row) for row in copy)
    for name in (name for name, document in kept if document):
        query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(name), sql.Identifier(schema, table))
        values = (json.dumps(_without_free(value), sort_keys=True) for (value,) in connection.execute(query))
        rows += sorted(value.encode() for value in values)
    return _sha256(b"".join(rows).replace(bytes(home), b"~"))


def _file(path: Path, home: Path) -> str:
    if path.suffix == ".keras":
        # Beside the weights there are the time and names of layers, which count the networks of a process.
        with zipfile.ZipFile(path) as archive:
            return _sha256(archive.read("model.weights.h5"))
    if path.suffix == ".parquet":
        # The time is in the schema three times over, once in base64.
        table = pyarrow.parquet.read_table(path)
        fields = table.schema.remove_metadata().to_string()
        return _sha256(fields.encode() + repr(table.to_pydict()).encode())
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".json":
        document = json.loads(data.replace(bytes(home), b"~"))
        return _sha256(json.dumps(_without_free(document), sort_keys=True).encode())
    if path.suffix == ".html":
        data = _STAGE_ROW.sub(b"", data)
    if path.name in _SUMS:
        # Over files with times in them, which are compared themselves.
        data = b"\n".join(sorted(line.rpartition(b"  ")[2] for line in data.splitlines()))
    return _sha256(_TIMES.sub(b"", data.replace(bytes(home), b"~")))


def _without_free(value: Any) -> Any:
    """Leave out of a document what is left out of tables, and times."""
    if isinstance(value, dict):
        return {key: _without_free(each) for key, each in value.items() if key not in FREE_COLUMNS}
    if isinstance(value, list):
        return [_without_free(each) for each in value]
    return _TIMES.sub(b"", value.encode()).decode() if isinstance(value, str) else value


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def differences(one: Digest, other: Digest) -> list[tuple[str, str]]:
    """Return stage and name of every part in which two catalogues differ."""
    names = sorted(
        name for name in one.parts.keys() | other.parts.keys() if one.parts.get(name) != other.parts.get(name)
    )
    return [(_stage_of(name), name) for name in names]


def _stage_of(name: str) -> str:
    return next((stage for stage, pattern in _STAGES if re.fullmatch(pattern, name)), "?")
