"""Do the surveys know the same stars? Asked before any cut, so that the answer names what is missing."""

from dataclasses import dataclass

from psycopg import Connection

from catalog.database.queries import load
from catalog.errors import SampleError

__all__ = ["Identified", "Match", "external_matches", "identified", "origins", "survey_matches"]


@dataclass(frozen=True)
class Match:
    """Rows of one survey table, and those that belong to a star with an RVS spectrum."""

    n_rows: int
    n_matched: int
    n_stars: int
    """Different stars among the matched rows."""
    n_unidentified: int = 0
    """Rows without a source_id of this release's kind."""


@dataclass(frozen=True)
class Identified:
    """Rows of a survey that were given a source_id in one way."""

    survey: str
    method: str
    """``catalogue``, ``position``, ``neighbourhood``, or ``none`` for rows that have got no source_id."""
    n_rows: int
    n_ambiguous: int
    """Rows with more than one candidate."""
    n_disputed: int
    """Rows whose source_id others claim too (clusters), or that a nearer source contradicts (K2)."""


def survey_matches(connection: Connection, release: str) -> dict[str, Match]:
    """Count the rows of each survey that belong to a star with an RVS spectrum.

    Parameters
    ----------
    connection : psycopg.Connection
    release : str
        Key of the survey rows.

    Returns
    -------
    dict of str to Match
        By table name, ``rvs_spectrum`` first.

    Raises
    ------
    SampleError
        There is no spectrum, some of them are resampled and others are not, or one of the surveys has no star in
        common with them.
    """
    rows = connection.execute(load("selection/survey_matches").statement, {"release": release}).fetchall()
    matches = {survey: Match(*numbers) for survey, *numbers in rows}
    n_spectra = matches["rvs_spectrum"].n_rows
    if not n_spectra:
        raise SampleError(
            f"Release {release} has no RVS mean spectrum: there is nothing to select from.",
            "Ingest its survey files first (`rvscat ingest`).",
        )
    _check_origins(origins(connection, release), release)
    for survey, match in matches.items():
        if match.n_matched:
            continue
        if not match.n_rows:
            raise SampleError(
                f"survey.{survey} has no row of release {release}, which has {n_spectra} RVS mean spectra.",
                "Put the survey's files into the release's folder and ingest them (`rvscat ingest`).",
            )
        column = "gaiaedr3_source_id" if survey == "apogee_star" else "source_id"
        raise SampleError(
            f"0 of {match.n_rows} rows of survey.{survey} match one of the {n_spectra} RVS mean spectra of release "
            f"{release} by {column}.",
            "The files do not belong together: are they of the same data release, and do they cover the same stars?",
        )
    return matches


def external_matches(connection: Connection, release: str) -> dict[str, Match]:
    """Count the rows of the surveys that the catalogue is compared with; surveys without rows are left out.

    Parameters
    ----------
    connection : psycopg.Connection
    release : str
        Key of the survey rows.

    Returns
    -------
    dict of str to Match
        By table name.
    """
    rows = connection.execute(load("selection/external_matches").statement, {"release": release}).fetchall()
    return {survey: Match(*numbers) for survey, *numbers in rows}


def identified(connection: Connection, release: str) -> list[Identified]:
    """Tell how rows without a source_id of this release were given theirs.

    Parameters
    ----------
    connection : psycopg.Connection
    release : str
        Key of the survey rows.

    Returns
    -------
    list of Identified
    """
    rows = connection.execute(load("selection/identified").statement, {"release": release}).fetchall()
    return [Identified(*row) for row in rows]


def origins(connection: Connection, release: str) -> dict[str, int]:
    """Count the spectra of a release by where they come from.

    Parameters
    ----------
    connection : psycopg.Connection
    release : str
        Key of the survey rows.

    Returns
    -------
    dict of str to int
        ``resampled from ...``, or an empty text for the archive's own.
    """
    rows = connection.execute(load("selection/resampled").statement, {"release": release}).fetchall()
    return {origin or "": n_spectra for origin, n_spectra in rows}


def _check_origins(found: dict[str, int], release: str) -> None:
    if len(found) < 2:
        return
    words = "; ".join(f"{n} {origin or 'as the archive gives them'}" for origin, n in found.items())
    raise SampleError(
        f"The spectra of release {release} are not of one kind: {words}.",
        "A network would learn the difference. Keep each kind in a database of its own, or under a release of its own.",
    )
