"""Do the surveys know the same stars? Asked before any cut, so that the answer names what is missing."""

from dataclasses import dataclass

from psycopg import Connection

from catalog.database.queries import load
from catalog.errors import SampleError

__all__ = ["Match", "survey_matches"]


@dataclass(frozen=True)
class Match:
    """Rows of one survey table, and those that belong to a star with an RVS spectrum."""

    n_rows: int
    n_matched: int
    n_stars: int
    """Different stars among the matched rows."""


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
        There is no spectrum, or one of the surveys has no star in common with them.
    """
    rows = connection.execute(load("selection/survey_matches").statement, {"release": release}).fetchall()
    matches = {survey: Match(*numbers) for survey, *numbers in rows}
    n_spectra = matches["rvs_spectrum"].n_rows
    if not n_spectra:
        raise SampleError(
            f"Release {release} has no RVS mean spectrum: there is nothing to select from.",
            "Ingest its survey files first (`rvscat ingest`).",
        )
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
