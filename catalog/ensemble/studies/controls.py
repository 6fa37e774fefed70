"""Stars whose spectra are changed in controlled ways: each is its own control."""

from dataclasses import dataclass

import numpy as np
from psycopg import Connection

from catalog.database.copy_out import Field, stream_arrays
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.ensemble.studies.regions import limits_of
from catalog.features import SCALARS, FeatureBlock, FeatureReport, normalise_xp, repair_flux
from catalog.profiles.model import RegionSettings
from catalog.releases import Release

__all__ = ["ControlStars", "read_controls"]

_DTYPES = {
    "int8": np.int64,
    "float4": np.float32,
    "float4_bytes": np.float32,
    "float8": np.float64,
    "float8_bytes": np.float64,
}


@dataclass(frozen=True, eq=False)
class ControlStars:
    """Spectra as the archive publishes them, and the other inputs of the network."""

    source_id: np.ndarray
    """Shape (n,), int64, ascending."""
    snr: np.ndarray
    """S/N of the RVS spectrum; NaN where there is no flux error to go by."""
    flux: np.ndarray
    """Shape (n, n_pixels), float32, NaN where a pixel is missing."""
    flux_error: np.ndarray
    scalars: np.ndarray
    xp: np.ndarray
    regions: dict[str, np.ndarray]
    """For each class, which stars belong to it: shape (n,), bool."""

    def __len__(self) -> int:
        return len(self.source_id)

    def take(self, rows: np.ndarray) -> "ControlStars":
        """Return some of the stars."""
        return ControlStars(
            self.source_id[rows],
            self.snr[rows],
            self.flux[rows],
            self.flux_error[rows],
            self.scalars[rows],
            self.xp[rows],
            {name: inside[rows] for name, inside in self.regions.items()},
        )

    def block(self, flux: np.ndarray, continuum: np.ndarray) -> FeatureBlock:
        """Return the network's inputs with other spectra, repaired as in production.

        Parameters
        ----------
        flux : numpy.ndarray
            Shape (n, n_pixels), NaN where a pixel is missing.
        continuum : numpy.ndarray of bool
            See `catalog.features.continuum_pixels`.

        Returns
        -------
        FeatureBlock
            A spectrum without any valid pixel keeps its NaN: it gets no labels.
        """
        return FeatureBlock(self.source_id, repair_flux(flux, continuum)[0], self.scalars, self.xp)


def read_controls(
    connection: Connection,
    run: Run,
    release: Release,
    regions: dict[str, RegionSettings],
    n_stars: int,
    report: FeatureReport,
) -> ControlStars:
    """Read the training stars of highest S/N of each class.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    release : Release
        Grid of the spectra and number of coefficients.
    regions : dict of str to RegionSettings
        Classes; a star may belong to several.
    n_stars : int
        Most stars of each.
    report : FeatureReport
        Told of stars whose inputs cannot be used.

    Returns
    -------
    ControlStars
        None, if no class has a star.
    """
    fields: dict[str, Field] = {
        "source_id": ("int8", None),
        "snr": ("float4", None),
        "flux": ("float4_bytes", release.rvs.n_pixels),
        "flux_error": ("float4_bytes", release.rvs.n_pixels),
        "bp": ("float8_bytes", release.xp.bp_coefficients),
        "rp": ("float8_bytes", release.xp.rp_coefficients),
        **dict.fromkeys(SCALARS[:3], ("float4", None)),
        SCALARS[3]: ("float8", None),
    }
    parameters = {
        "run_id": run.run_id,
        "release": run.release,
        "n_stars": n_stars,
        "flux_bytes": 4 * release.rvs.n_pixels,
        "bp_bytes": 8 * release.xp.bp_coefficients,
        "rp_bytes": 8 * release.xp.rp_coefficients,
    }
    found = [{name: np.empty((0, n) if n else 0, _DTYPES[kind]) for name, (kind, n) in fields.items()}]
    members: dict[str, np.ndarray] = {}
    statement = load("ensemble/robustness_stars").statement
    for name, region in regions.items():
        rows = list(stream_arrays(connection, statement, parameters | limits_of(region), fields, n_stars))
        members[name] = rows[0]["source_id"] if rows else found[0]["source_id"]
        found += rows
    # Classes may overlap: each star is kept once.
    source_id, first = np.unique(np.concatenate([part["source_id"] for part in found]), return_index=True)
    columns = {name: np.concatenate([part[name] for part in found])[first] for name in fields}
    return _usable(source_id, columns, members, report)


def _usable(
    source_id: np.ndarray,
    columns: dict[str, np.ndarray],
    members: dict[str, np.ndarray],
    report: FeatureReport,
) -> ControlStars:
    xp, valid = normalise_xp(columns["bp"], columns["rp"])
    scalars = np.column_stack([columns[name] for name in SCALARS]).astype(np.float64)
    valid &= np.isfinite(scalars).all(axis=1) & np.isfinite(columns["flux"]).any(axis=1)
    report.reject("inputs that the network cannot use", source_id[~valid])
    error = columns["flux_error"]
    known = (np.isfinite(error) & (error > 0.0)).any(axis=1)
    stars = ControlStars(
        source_id,
        np.where(known, columns["snr"], np.nan),
        columns["flux"],
        error,
        scalars,
        xp,
        {name: np.isin(source_id, ids) for name, ids in members.items()},
    )
    return stars.take(np.flatnonzero(valid))
