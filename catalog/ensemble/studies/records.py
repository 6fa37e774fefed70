"""What a study of the sensitivity found, in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import Connection

from catalog.ensemble.network import INPUTS
from catalog.ensemble.studies.lines import Peak
from catalog.ensemble.studies.regions import Region
from catalog.features import Scalers
from catalog.metadata import LABELS

__all__ = ["Sensitivity", "write_correlations", "write_sensitivity"]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Mean gradients in one region."""

    region: Region
    n_stars: int
    labels: np.ndarray
    """Mean APOGEE labels, shape (n_labels,)."""
    flux: np.ndarray
    """Mean normalised flux, shape (n_pixels,)."""
    gradient: Mapping[str, np.ndarray]
    """For each input of the network, mean over stars and members: shape (n_labels, n_features)."""
    scatter: Mapping[str, np.ndarray]
    """Standard deviation over members, of the same shapes."""
    influence: Mapping[str, np.ndarray]
    """What each input matters, see `EnsembleAverages`: shape (n_labels,)."""
    peaks: Sequence[Sequence[Peak]]
    """Strongest peaks of each label's gradient along the spectrum."""


def write_sensitivity(
    connection: Connection, ensemble_id: int, found: Sequence[Sensitivity], scalers: Scalers, n_members: int
) -> None:
    """Write the sensitivity maps of an ensemble in place of earlier ones; nothing is committed.

    Parameters
    ----------
    connection : psycopg.Connection
    ensemble_id : int
    found : sequence of Sensitivity
        One a region; those without stars as well.
    scalers : Scalers
        Of the ensemble.
    n_members : int
    """
    names = {INPUTS[0]: None, INPUTS[1]: list(scalers.scalars.names), INPUTS[2]: list(scalers.xp.names)}
    # Gradients and peaks go with their region.
    connection.execute("DELETE FROM production.sensitivity_region WHERE ensemble_id = %s", (ensemble_id,))
    with connection.cursor() as cursor:
        for position, one in enumerate(found, start=1):
            region, empty = one.region, one.n_stars == 0
            cursor.execute(
                "INSERT INTO production.sensitivity_region (ensemble_id, region, position, rule, n_found, n_stars, "
                "labels, flux) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    ensemble_id,
                    region.name,
                    position,
                    region.rule,
                    region.n_found,
                    one.n_stars,
                    *((None, None) if empty else (_reals(one.labels), _reals(one.flux))),
                ),
            )
            if empty:
                continue
            cursor.executemany(
                "INSERT INTO production.sensitivity (ensemble_id, region, label, input, n_stars, n_members, names, "
                "gradient, scatter, influence) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        ensemble_id, region.name, label.name, name, one.n_stars, n_members, names[name],
                        _reals(one.gradient[name][i]), _reals(one.scatter[name][i]),
                        float(np.float32(one.influence[name][i])),
                    )
                    for name in one.gradient
                    for i, label in enumerate(LABELS)
                ],
            )  # fmt: skip
            cursor.executemany(
                "INSERT INTO production.sensitivity_peak (ensemble_id, region, label, rank, wavelength, gradient, "
                "line, line_wavelength) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        ensemble_id, region.name, label.name, rank, peak.wavelength, float(np.float32(peak.value)),
                        *((peak.line.species, peak.line.wavelength) if peak.line else (None, None)),
                    )
                    for label, peaks in zip(LABELS, one.peaks, strict=True)
                    for rank, peak in enumerate(peaks, start=1)
                ],
            )  # fmt: skip


def write_correlations(
    connection: Connection,
    ensemble_id: int,
    names: Sequence[str],
    n_stars: int,
    pearson: np.ndarray,
    spearman: np.ndarray,
) -> None:
    """Write the correlations of XP coefficients and labels in place of earlier ones; nothing is committed.

    Parameters
    ----------
    connection : psycopg.Connection
    ensemble_id : int
    names : sequence of str
        Of the coefficients.
    n_stars : int
    pearson, spearman : numpy.ndarray
        Shape (n_labels, n_coefficients); NaN becomes null.
    """
    connection.execute("DELETE FROM production.xp_correlation WHERE ensemble_id = %s", (ensemble_id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO production.xp_correlation (ensemble_id, label, n_stars, names, pearson, spearman) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (ensemble_id, label.name, n_stars, list(names), _nullable(pearson[i]), _nullable(spearman[i]))
                for i, label in enumerate(LABELS)
            ],
        )


def _reals(values: np.ndarray) -> list[float]:
    # What a real cannot hold, the database refuses: numbers next to zero become zero here.
    found: list[float] = np.asarray(values, dtype=np.float32).tolist()
    return found


def _nullable(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in _reals(values)]
