"""The stage that publishes a run: versioned tables, stable views, TAP_SCHEMA and exported files."""

from typing import Any

import psycopg
from psycopg import Connection

from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.errors import SampleError
from catalog.metadata.columns import RVS_CNN
from catalog.progress import Progress, silent
from catalog.publish.export import NO_AUTHOR, export_catalogue
from catalog.publish.gate import PublicationError, acceptance_note, judge_run, record_verdict
from catalog.publish.handover.producer import load_producer
from catalog.publish.publications import Publication, content_sha256, find_publication, list_publications
from catalog.publish.tables import create_tables, fill_tables, switch_views
from catalog.publish.tap_schema import write_tap_schema
from catalog.settings import Settings

__all__ = ["publish_catalogue"]

# Share of the stage's time, in per cent, after which the database is done and files are written.
_PUBLISHED = 50.0


def publish_catalogue(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Publish `run` as a new version and write its files.

    All of the database's part happens in one transaction: readers see the old version or the new one. A run
    whose content has been published before is not published again; its version becomes current if it is not.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        With labels, flags and validation; its profile may say why failed checks are accepted.
    settings : Settings
        ``exports`` is where the files go, in a folder of the version.
    progress : Progress

    Returns
    -------
    StageResult
        Version, rows and checksum, and where the files are.

    Raises
    ------
    SampleError
        The run has no labels, or stars that cannot be published; nothing is changed then.
    PublicationError
        A check of its validation failed, or it was not validated, and nobody has accepted that; or its content was
        retracted.
    """
    connection.commit()
    producer = load_producer(settings.home)
    with connection.transaction():
        # Two publications at once would take the same version number.
        connection.execute("LOCK TABLE production.publication IN SHARE ROW EXCLUSIVE MODE")
        progress(0, 100, "checking that every star is complete")
        n_labels, notes = _check_complete(connection, run)
        verdict = judge_run(connection, run, settings)
        publication, new = _publish(connection, run, n_labels, progress)
        record_verdict(connection, publication.version, verdict)
    if note := acceptance_note(verdict):
        notes.append(note)

    def report(done: float, total: float, what: str = "") -> None:
        progress(_PUBLISHED + (100 - _PUBLISHED) * done / total, 100, what)

    exports = run.profile.publish.exports
    export = export_catalogue(
        connection, settings.exports / f"v{publication.version}", exports, report, producer=producer
    )
    if not new:
        notes.append(f"The same content was published before as version {publication.version}.")
    if exports and not producer.names:
        notes.append(NO_AUTHOR)
    counts: dict[str, Any] = {
        "rows": publication.n_rows,
        "version": publication.version,
        "new": int(new),
        "columns": len(RVS_CNN.columns),
        "sha256": publication.sha256,
        "failed_accepted": verdict.n_fail,
        "exports": str(export.folder),
    }
    return StageResult(counts, notes)


def _publish(connection: Connection, run: Run, n_labels: int, progress: Progress) -> tuple[Publication, bool]:
    published = list_publications(connection)
    version = max((each.version for each in published), default=0) + 1
    known: Publication | None = None
    with connection.transaction():
        progress(5, 100, f"filling the tables of version {version}")
        create_tables(connection, version)
        for table, n_rows in fill_tables(connection, version, run.run_id).items():
            if n_rows != n_labels:
                raise SampleError(
                    f"Run {run.run_id} has {n_labels} labelled stars, but {n_rows} rows reached {table}.",
                    "Nothing was published. Do the stages sample, predict and flag of this run again.",
                )
        progress(35, 100, "computing the checksum of the content")
        sha256 = content_sha256(connection, version)
        known = next((each for each in published if each.sha256 == sha256), None)
        if known is not None:
            raise psycopg.Rollback
    if known is not None and known.retracted:
        raise PublicationError(
            f"Run {run.run_id} has the content of version {known.version}, which was retracted: "
            f"{known.retracted.reason}.",
            "Nothing was changed. Correct the cause and make the catalogue again: other content is a new version.",
        )
    if known is not None and known.current:
        return known, False
    progress(45, 100, "switching the views and TAP_SCHEMA")
    connection.execute("UPDATE production.publication SET current = false WHERE current")
    if known is not None:
        version = known.version
        connection.execute("UPDATE production.publication SET current = true WHERE version = %s", (version,))
    else:
        connection.execute(
            "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) "
            "VALUES (%s, %s, %s, %s, true)",
            (version, run.run_id, n_labels, sha256),
        )
    switch_views(connection, version)
    write_tap_schema(connection)
    return find_publication(connection), known is None


_DEFECTS = {
    "no_sample": ("belong to no sample", "sample"),
    "no_flag": ("have no flag_boundary", "flag"),
    "no_source": ("have no row in gaia_source", "sample"),
    "not_finite": ("have a label or uncertainty that is not finite", "predict"),
}


def _check_complete(connection: Connection, run: Run) -> tuple[int, list[str]]:
    """Return the number of labelled stars, and what a person should know of the others."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(load("publish/completeness").statement, {"run_id": run.run_id}).fetchone()
    assert row is not None
    if row["n_labels"] == 0:
        raise SampleError(f"Run {run.run_id} has no labels to publish.", "Predict them first: `rvscat predict`.")
    for defect, (words, stage) in _DEFECTS.items():
        if row[defect]:
            raise SampleError(
                f"Run {run.run_id} cannot be published: of its {row['n_labels']} labelled stars, {row[defect]} "
                f"{words} (for instance source_id {row['example']}).",
                f"Nothing was changed. Do the stage again: `rvscat {stage} --run {run.run_id}`.",
            )
    lost = row["no_label"]
    words = (
        "1 star of the samples has no labels and is"
        if lost == 1
        else f"{lost} stars of the samples have no labels and are"
    )
    return row["n_labels"], [f"{words} not published."] if lost else []
