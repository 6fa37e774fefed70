"""The observed sample written down: every star that is to be judged, with the cut that rejects it."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from catalog.database.queries import load

__all__ = ["write_observed"]

# A star without an APOGEE row fails the training sample's first cut; the others wait for training.sql.
_WRITE = """
INSERT INTO production.sample_star
    (run_id, release, source_id, role, cut, training_cut, apogee_file_id, apogee_row, added)
SELECT %(run_id)s, %(release)s, observed.source_id,
       CASE WHEN observed.cut IS NULL THEN 'observed' ELSE 'rejected' END, observed.cut,
       CASE WHEN observed.cut IS NULL AND apogee.file_id IS NULL THEN 'no APOGEE match' END,
       apogee.file_id, apogee.row_number, %(added)s
FROM ({observed}) observed
LEFT JOIN ({apogee_match}) apogee USING (source_id)
ORDER BY observed.source_id
"""


def write_observed(connection: Connection, parameters: Mapping[str, Any], added: bool = False) -> None:
    """Write every star with a spectrum that the run has not judged yet into ``production.sample_star``.

    Parameters
    ----------
    connection : psycopg.Connection
    parameters : mapping
        Those of sql/selection/observed.sql and apogee_match.sql.
    added : bool
        Mark the stars as added to those of the run's base.
    """
    parts = {name: load(f"selection/{name}").statement for name in ("observed", "apogee_match")}
    connection.execute(_WRITE.format(**parts), {**parameters, "added": added})
