"""Labels in the database: what is there, what must go, what is left to do."""

import numpy as np
from psycopg import Connection

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.ensemble.prediction.labels import ROLES, Labels
from catalog.features import Page, input_parameters
from catalog.metadata import LABELS

__all__ = ["delete_labels", "left_to_do", "write_labels"]

# Labels that a run has taken over from its base are never deleted.
_DELETE = """
DELETE FROM production.label AS l
WHERE run_id = %(run_id)s AND source_id > %(after)s AND source_id <= %(upto)s AND NOT EXISTS (
    SELECT FROM production.sample_star AS s
    WHERE %(added)s AND s.run_id = l.run_id AND s.source_id = l.source_id AND NOT s.added
)
"""


def left_to_do(
    connection: Connection, run: Run, ensemble_id: int, calibrated: bool, pages: list[Page]
) -> tuple[list[Page], int]:
    """Remove labels that cannot stay; return the pages to label and how many stars the others hold.

    A page is done when every star of it that has all inputs has labels, whoever wrote them and in whatever order. When
    all pages are done, all are done anew.

    Parameters
    ----------
    connection : psycopg.Connection
        Is committed.
    run : Run
    ensemble_id : int
    calibrated : bool
        Whether the ensemble gives calibrated uncertainties.
    pages : list of Page
        Of all stars of the run, or of all that have come with it; ascending.

    Returns
    -------
    todo : list of Page
    n_kept : int
    """
    parameters = input_parameters(run, ROLES, added=run.base_run_id is not None)
    known = {**parameters, "ensemble_id": ensemble_id, "calibrated": calibrated}
    row = connection.execute(load("ensemble/labelled_so_far").statement, known).fetchone()
    assert row is not None
    valid, n_labels = row
    todo = pages
    if valid and n_labels:
        uptos = "{" + ",".join(str(page.upto) for page in pages) + "}"
        rows = connection.execute(load("ensemble/unlabelled").statement, {**parameters, "uptos": uptos}).fetchall()
        unlabelled = {number for number, _ in rows}
        todo = [page for number, page in enumerate(pages) if number in unlabelled] or pages
    if todo == pages:
        delete_labels(connection, run, Page(0, (1 << 63) - 1, 0))
    else:
        for page in todo:
            delete_labels(connection, run, page)
    row = connection.execute(load("ensemble/labelled_so_far").statement, known).fetchone()
    assert row is not None
    connection.commit()
    return todo, int(row[1])


def delete_labels(connection: Connection, run: Run, page: Page) -> None:
    """Delete the labels of a page, but those that were taken over from another run."""
    added = run.base_run_id is not None
    connection.execute(_DELETE, {"run_id": run.run_id, "after": page.after, "upto": page.upto, "added": added})


def write_labels(connection: Connection, run: Run, ensemble_id: int, n_members: int, labels: Labels) -> None:
    """Write labels of stars that have none; the caller commits."""
    n = labels.source_id.size
    if not n:
        return
    columns: dict[str, object] = {
        "run_id": np.full(n, run.run_id),
        "release": [run.release] * n,
        "source_id": labels.source_id,
        "ensemble_id": np.full(n, ensemble_id),
        "n_members": np.full(n, n_members),
    }
    for i, label in enumerate(LABELS):
        columns[label.name] = labels.mean[:, i]
        columns[f"e{label.name}"] = labels.deviation[:, i]
        columns[f"sigma_{label.name}"] = labels.sigma[:, i]
        columns[f"sigma_{label.name}_oof"] = labels.calibrated[:, i]
    copy_in(connection, "production.label", columns)
