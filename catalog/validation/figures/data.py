"""What figures are made from: one fetch of narrow columns, and the rows of the comparisons."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.releases import load_release
from catalog.validation.checks import Checks, paper_dispersions
from catalog.validation.comparisons import query_parameters
from catalog.validation.galactic import STAR_FIELDS, Disc, place_stars
from catalog.validation.results import Result
from catalog.validation.sequences import MeanSpectrum, fetch_mean_spectra
from catalog.validation.stars import Stars, fetch_columns, fetch_map, fetch_out_of_fold, fetch_stars

__all__ = ["PERPLEXITY", "FigureData", "fetch_figure_data"]

PERPLEXITY = 50
"""Of the map that is shown, as in Fig. 17."""

# Parts of FigureData.sensitivity, and their queries.
_SENSITIVITY = {
    "regions": "sensitivity_regions",
    "gradients": "sensitivity",
    "peaks": "sensitivity_peaks",
    "correlations": "xp_correlation",
}


@dataclass(frozen=True)
class FigureData:
    """Everything that a figure may show."""

    stars: Stars
    results: Sequence[Result]
    wavelength: np.ndarray
    """Pixel grid of the release, nm."""
    paper: Mapping[str, float]
    """Training dispersions that the paper states, by label."""
    likeness: Mapping[str, np.ndarray] = field(default_factory=dict)
    """One t-SNE map; empty before likeness is known."""
    kinds: Mapping[int, str] = field(default_factory=dict)
    """Kind of each star of a synthetic sky by source_id."""
    thresholds: Sequence[Mapping[str, Any]] = ()
    """Effect of the threshold of likeness; rows of ``sql/validation/likeness_threshold.sql``."""
    likeness_quantile: float | None = None
    """Quantile that the run's threshold is."""
    members: Sequence[Mapping[str, Any]] = ()
    """Training histories of the ensemble."""
    responses: Sequence[Mapping[str, Any]] = ()
    """Rows of the study of robustness; none before it is made."""
    sensitivity: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Rows of the study of sensitivity: its regions, gradients, peaks and correlations; none before it is made."""
    out_of_fold: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Residuals of training stars by the members that have not seen them; see ``sql/validation/out_of_fold.sql``."""
    spectra: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Fluxes of the example stars by source_id."""
    examples: Sequence[tuple[str, int]] = ()
    """What each example star shows, and its row in `stars`."""
    mean_spectra: Sequence[MeanSpectrum] = ()
    """Along sequences of labels, and of regions outside the limits; see ``sql/validation/sequences.sql``."""
    velocity_error: np.ndarray | None = None
    """radial_velocity_error of each of `stars`, km/s, NaN where it does not matter or is not known."""
    disc: Disc | None = None
    """Stars with a place in the Galaxy; None without distances."""


def fetch_figure_data(connection: Connection, run: Run, checks: Checks, results: Sequence[Result]) -> FigureData:
    """Read what the figures need.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    checks : Checks
    results : sequence of Result
        Rows of all comparisons.

    Returns
    -------
    FigureData
    """
    stars = fetch_stars(connection, query_parameters(run, checks))
    examples = _examples(stars)
    release = load_release(run.profile.release)
    query = load("validation/training_history")
    with connection.cursor(row_factory=dict_row) as cursor:
        members = cursor.execute(query.statement, {"run_id": run.run_id}).fetchall()
        responses = cursor.execute(load("validation/robustness").statement, {"run_id": run.run_id}).fetchall()
        sensitivity = {
            part: cursor.execute(load(f"validation/{name}").statement, {"run_id": run.run_id}).fetchall()
            for part, name in _SENSITIVITY.items()
        }
        parameters = query_parameters(run, checks)
        thresholds, kinds = (
            cursor.execute(query.statement, {key: parameters[key] for key in query.parameters}).fetchall()
            for query in (load("validation/likeness_threshold"), load("validation/kinds"))
        )
    for member in members:
        if isinstance(member["history"], str):
            member["history"] = json.loads(member["history"])
    return FigureData(
        stars=stars,
        results=results,
        wavelength=release.rvs.wavelength,
        paper=paper_dispersions(),
        likeness=fetch_map(connection, run.run_id, PERPLEXITY),
        kinds={row["source_id"]: row["kind"] for row in kinds} if run.profile.mock is not None else {},
        thresholds=thresholds,
        likeness_quantile=run.profile.likeness.quantile,
        members=members,
        responses=responses,
        sensitivity=sensitivity,
        out_of_fold=fetch_out_of_fold(connection, run.run_id),
        spectra=_spectra(connection, run, [int(stars["source_id"][row]) for _, row in examples]),
        examples=examples,
        mean_spectra=fetch_mean_spectra(connection, parameters, release.rvs.wavelength.size),
        velocity_error=_velocity_error(connection, parameters, stars),
        disc=_disc(connection, parameters),
    )


def _velocity_error(connection: Connection, parameters: Mapping[str, Any], stars: Stars) -> np.ndarray:
    fields = {"source_id": ("int8", None), "velocity_error": ("float4", None)}
    found = fetch_columns(connection, "velocity_errors", parameters, fields)
    errors = np.full(len(stars), np.nan, dtype=np.float32)
    if found["source_id"].size:
        place = np.searchsorted(found["source_id"], stars["source_id"]).clip(max=found["source_id"].size - 1)
        known = found["source_id"][place] == stars["source_id"]
        errors[known] = found["velocity_error"][place[known]]
    return errors


def _disc(connection: Connection, parameters: Mapping[str, Any]) -> Disc | None:
    columns = fetch_columns(connection, "bimodality", parameters, STAR_FIELDS)
    return place_stars(columns, parameters) if columns["source_id"].size else None


def _spectra(connection: Connection, run: Run, source_ids: list[int]) -> dict[int, np.ndarray]:
    query = load("validation/spectra")
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query.statement, {"release": run.release, "source_ids": source_ids}).fetchall()
    return {source_id: np.frombuffer(flux, dtype="<f4") for source_id, flux in rows}


def _examples(stars: Stars) -> list[tuple[str, int]]:
    """Choose one star of each kind that Figs. 2 and 18 show: the one of highest S/N near the wanted labels."""
    inside = stars["inside"]
    solar = np.abs(stars["mh"]) < 0.15
    clump = (np.abs(stars["teff"] - 4750) < 250) & (np.abs(stars["logg"] - 2.45) < 0.25)
    twin = (np.abs(stars["teff"] - 5770) < 200) & (np.abs(stars["logg"] - 4.4) < 0.25)
    low_snr = np.abs(stars["snr"] - 20) < 5
    wanted = [
        ("Red clump, solar metallicity", inside & clump & solar),
        ("Red clump, metal-poor", inside & clump & (stars["mh"] < -0.6)),
        ("Red clump at 15 ≤ S/N ≤ 25", inside & clump & low_snr),
        ("Solar twin", inside & twin & solar),
        ("Metal-poor giant", inside & (stars["logg"] < 3) & (stars["mh"] < -1.3)),
        ("Outside the limits, hot", ~inside & (stars["teff"] > 6400)),
        ("Outside the limits, cool", ~inside & (stars["teff"] < 3900)),
    ]
    snr = np.nan_to_num(stars["snr"], nan=0.0)
    chosen = []
    for what, mask in wanted:
        rows = np.flatnonzero(mask)
        if rows.size:
            chosen.append((what, int(rows[np.argmax(snr[rows])])))
    return chosen
