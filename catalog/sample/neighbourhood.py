"""Cluster members listed under Gaia DR2 ids: their DR3 sources, through the archive's neighbourhood table."""

from dataclasses import dataclass

from psycopg import Connection

from catalog.database.queries import load

__all__ = ["ClusterMatch", "match_cluster_members"]

_WRITE = """
INSERT INTO production.cluster_match
    (file_id, row_number, release, gaia_release, source_id, angular_distance, n_neighbours, n_claims)
SELECT file_id, row_number, release, gaia_release, source_id, angular_distance, n_neighbours, n_claims
FROM ({rule}) AS found
"""

_COUNT = """
SELECT count(*), count(match.source_id),
       count(*) FILTER (WHERE match.n_neighbours > 1), count(*) FILTER (WHERE match.n_claims > 1)
FROM survey.cluster_member member
JOIN production.ingest_file file ON file.file_id = member.file_id
LEFT JOIN production.cluster_match match
    ON match.file_id = member.file_id AND match.row_number = member.row_number
WHERE file.release = %(release)s AND file.status = 'complete' AND member.gaia_release = 'dr2'
"""


@dataclass(frozen=True)
class ClusterMatch:
    """Rows of member lists with DR2 ids."""

    n_members: int = 0
    n_resolved: int = 0
    """Members with a DR3 source."""
    n_ambiguous: int = 0
    """Those of them with more than one DR3 source near the DR2 source: the nearest was taken."""
    n_contested: int = 0
    """Those of them whose DR3 source was given to another DR2 id of the lists too."""

    @property
    def n_unresolved(self) -> int:
        """Members for which the neighbourhood table has no DR3 source."""
        return self.n_members - self.n_resolved


def match_cluster_members(connection: Connection, release: str) -> ClusterMatch:
    """Fill ``production.cluster_match`` for the members of a release, replacing what was there.

    The rule is sql/selection/cluster_members.sql.

    Parameters
    ----------
    connection : psycopg.Connection
        Not committed.
    release : str
        Key of the survey rows.

    Returns
    -------
    ClusterMatch
    """
    connection.execute("DELETE FROM production.cluster_match WHERE release = %s", (release,))
    rule = load("selection/cluster_members").statement
    connection.execute(_WRITE.format(rule=rule), {"release": release})
    row = connection.execute(_COUNT, {"release": release}).fetchone()
    assert row is not None
    return ClusterMatch(*row)
