"""Mean RVS spectra along sequences of labels (Fig. 12), and of regions outside the limits (Fig. 18)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.database.copy_out import stream_arrays
from catalog.database.queries import load

__all__ = ["SPECTRA_MOST", "MeanSpectrum", "fetch_mean_spectra"]

SPECTRA_MOST = 150
"""Spectra that a mean is made of, at most: their noise is then twelve times smaller."""

# Spectra that are in memory at once.
_CHUNK = 64


@dataclass(frozen=True)
class MeanSpectrum:
    """Mean of the spectra of one step of a sequence."""

    sequence: int
    """See ``sql/validation/sequences.sql``."""
    step: int
    n_stars: int
    """Stars in the step."""
    n_spectra: int
    """Those whose spectra were averaged."""
    value: float
    """Mean of the label that the sequence is of."""
    flux: np.ndarray
    """Shape (pixels,), normalised; NaN where no spectrum has a value."""


def fetch_mean_spectra(
    connection: Connection, parameters: Mapping[str, Any], n_pixels: int, most: int = SPECTRA_MOST
) -> list[MeanSpectrum]:
    """Average spectra along the sequences of ``sql/validation/sequences.sql``.

    At most `most` spectra of a step leave the database, and few of them are held at once: memory and time do not
    grow with the catalogue.

    Parameters
    ----------
    connection : psycopg.Connection
    parameters : mapping
        See `catalog.validation.comparisons.query_parameters`.
    n_pixels : int
        Of the release's grid.
    most : int
        Spectra of each step, at most.

    Returns
    -------
    list of MeanSpectrum
        Of the steps that have stars, in order.

    Raises
    ------
    DatabaseError
        A spectrum has another number of pixels.
    """
    query = load("validation/sequences")
    wanted = {key: {**parameters, "spectra_most": most}[key] for key in query.parameters}
    fields = {
        **dict.fromkeys(("sequence", "step", "n_stars"), ("int4", None)),
        "value": ("float4", None),
        "flux": ("float4_bytes", n_pixels),
    }
    steps: dict[tuple[int, int], _Sums] = {}
    for block in stream_arrays(connection, query.statement, wanted, fields, _CHUNK):
        for i, key in enumerate(zip(block["sequence"].tolist(), block["step"].tolist(), strict=True)):
            sums = steps.setdefault(key, _Sums(int(block["n_stars"][i]), n_pixels))
            sums.add(float(block["value"][i]), block["flux"][i])
    return [sums.mean(*key) for key, sums in sorted(steps.items())]


class _Sums:
    """What is kept of the spectra of a step."""

    def __init__(self, n_stars: int, n_pixels: int) -> None:
        self.n_stars = n_stars
        self.n_spectra = 0
        self.value = 0.0
        self.flux = np.zeros(n_pixels)
        self.n = np.zeros(n_pixels, dtype=np.int64)

    def add(self, value: float, flux: np.ndarray) -> None:
        good = np.isfinite(flux)
        self.n_spectra += 1
        self.value += value
        self.flux[good] += flux[good]
        self.n += good

    def mean(self, sequence: int, step: int) -> MeanSpectrum:
        flux = np.divide(self.flux, self.n, out=np.full_like(self.flux, np.nan), where=self.n > 0)
        return MeanSpectrum(sequence, step, self.n_stars, self.n_spectra, self.value / self.n_spectra, flux)
