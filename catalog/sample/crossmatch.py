"""Surveys whose rows have no id of the release: each row is given its Gaia source, and what was found is told."""

from psycopg import Connection

from catalog.database.ledger import Run, StageResult
from catalog.database.statistics import renew_statistics
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.sample.k2_match import K2Match, match_k2_stars
from catalog.sample.neighbourhood import ClusterMatch, match_cluster_members

__all__ = ["match_surveys"]

_NEIGHBOURS_OF = "dr3"
"""Release that the DR2 neighbourhood leads to, and whose ids K2 catalogues give."""


def match_surveys(connection: Connection, run: Run, progress: Progress = silent) -> StageResult:
    """Match the K2 stars and the cluster members of a run's release.

    Fills ``production.k2gap_match`` and ``production.cluster_match``; both belong to the release, not to the run.

    Parameters
    ----------
    connection : psycopg.Connection
        Not committed.
    run : Run
    progress : Progress

    Returns
    -------
    StageResult
        Counts of surveys that have rows, and a note on whatever is worth a look.
    """
    release = load_release(run.profile.release)
    if release.source_ids != _NEIGHBOURS_OF:
        return StageResult({}, [])
    # Runs of one release write the same rows.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"crossmatch {run.release}",))
    clusters = match_cluster_members(connection, run.release)
    stars = match_k2_stars(connection, run.release, release.reference_epoch, run.profile.crossmatch, progress)
    renew_statistics(connection, "production.cluster_match", "production.k2gap_match")
    return StageResult(
        _cluster_counts(clusters) | _k2_counts(stars),
        _cluster_notes(clusters) + _k2_notes(stars, run.profile.crossmatch.k2_radius),
    )


def _cluster_counts(match: ClusterMatch) -> dict[str, int | float | str]:
    if not match.n_members:
        return {}
    return {"clusters_dr2": match.n_members, "clusters_resolved": match.n_resolved}


def _cluster_notes(match: ClusterMatch) -> list[str]:
    notes = []
    if match.n_resolved:
        notes.append(
            f"Cluster members with a Gaia DR2 id: {match.n_resolved} of {match.n_members} have a DR3 source in "
            f"dr2_neighbourhood; {match.n_ambiguous} have several and the nearest is taken; {match.n_contested} share "
            "theirs with another DR2 id."
        )
    if match.n_unresolved:
        notes.append(
            f"{match.n_unresolved} of {match.n_members} cluster members with a Gaia DR2 id have no DR3 source in "
            "dr2_neighbourhood and are not compared; the table holds stars with an RVS spectrum only, unless it was "
            "fetched whole."
        )
    return notes


def _k2_counts(match: K2Match) -> dict[str, int | float | str]:
    if not match.n_stars:
        return {}
    return {
        "k2gap_by_catalogue": match.n_catalogue,
        "k2gap_by_position": match.n_position,
        "k2gap_unmatched": match.n_unmatched,
        "k2gap_disputed": match.n_disputed,
    }


def _k2_notes(match: K2Match, radius: float) -> list[str]:
    notes = []
    if match.n_position or match.n_unmatched:
        notes.append(
            f"K2 stars without a Gaia id: {match.n_position} are matched by position within {radius:g} arcsec, "
            f"{match.n_ambiguous} of them with more than one candidate; {match.n_unmatched} have no match."
        )
    if match.n_disputed or match.n_far:
        notes.append(
            f"Of {match.n_checked} K2 stars with a Gaia id that could be checked by position, {match.n_disputed} have "
            f"another source nearer and {match.n_far} have none within {radius:g} arcsec: the catalogue's id is kept."
        )
    return notes
