"""Survey files: halves of downloads, refused files, rows set aside."""

from collections.abc import Iterator
from datetime import UTC, datetime

from psycopg.rows import dict_row

from catalog.database.queries import load
from catalog.operations.doctor.findings import Finding, Patient, failure, fine, gigabytes, warning

__all__ = ["examine_surveys"]

_AREA = "survey files"
_QUARANTINED_SHARE = 0.001


def examine_surveys(patient: Patient) -> Iterator[Finding]:
    """Look at the survey folder of the profile and at what was read of it."""
    release = patient.profile.data_release
    folder = patient.settings.surveys / release
    if not folder.is_dir():
        how = "`rvscat mock` writes them" if patient.profile.mock is not None else "`rvscat fetch` downloads them"
        yield fine(_AREA, f"no folder {folder} yet: {how}")
    else:
        parts = [path for path in folder.rglob("*.part") if path.is_file()]
        if parts:
            oldest = datetime.fromtimestamp(min(path.stat().st_mtime for path in parts), tz=UTC)
            size = gigabytes(sum(path.stat().st_size for path in parts))
            yield warning(
                _AREA,
                f"{len(parts)} halves of downloads ({size}, the oldest of {oldest:%Y-%m-%d}).",
                "`rvscat fetch` completes them; `rvscat prune` removes old ones.",
            )
        empty = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and not any(path.iterdir())]
        if empty:
            yield warning(
                _AREA, f"{folder} has empty folders: {', '.join(empty)}.", "Fetch these products, or remove them."
            )
        outside = [path for path in folder.rglob("*") if path.is_symlink() and not path.exists()]
        if outside:
            yield failure(
                _AREA, f"{outside[0]} points at nothing.", "Bring back what it points at, or remove the link."
            )
        if not parts and not empty and not outside:
            yield fine(
                _AREA, f"{sum(path.is_file() for path in folder.rglob('*')):,} files in {folder}, none half-made"
            )
    if patient.connection is None:
        return
    with patient.connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(load("status/files").statement, {"release": release}).fetchall()
    refused = sum(row["refused"] for row in rows)
    if refused:
        yield warning(
            _AREA,
            f"{refused} files of {release} were refused.",
            "`rvscat status --notes` says why; replace them and ingest again.",
        )
    n_rows, quarantined = (float(sum(row[name] or 0 for row in rows)) for name in ("rows", "quarantined"))
    text = f"{n_rows:,.0f} rows of {release} ingested, {quarantined:,.0f} in quarantine"
    if quarantined > _QUARANTINED_SHARE * max(n_rows, 1.0):
        yield warning(
            _AREA, f"{text}.", "SELECT rule, count(*) FROM production.quarantine GROUP BY rule tells the reasons."
        )
    elif rows and not refused:
        yield fine(_AREA, text)
