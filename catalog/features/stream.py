"""Features of a run's samples, streamed from the database a few hundred stars at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.database.copy_out import Field, stream_arrays
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.features.report import FeatureReport
from catalog.features.spectrum import continuum_pixels, repair_flux
from catalog.features.xp import normalise_xp
from catalog.releases import load_release

__all__ = [
    "SCALARS",
    "FeatureBlock",
    "Page",
    "input_parameters",
    "pages",
    "report_missing",
    "scalar_columns",
    "stream_features",
]

SCALARS = ("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "parallax")
"""The four scalar inputs in the order of Fig. 6: mag, mag, mag, mas."""

LAST_SOURCE_ID = (1 << 63) - 1


def scalar_columns(names: Sequence[str]) -> list[int]:
    """Return which of `SCALARS` those names are."""
    return [SCALARS.index(name) for name in names]


@dataclass(frozen=True, eq=False)
class FeatureBlock:
    """Features of some stars, in physical units: the ensemble has its own scalers."""

    source_id: np.ndarray
    """Shape (n,), int64, ascending."""
    flux: np.ndarray
    """Repaired normalised flux, shape (n, n_pixels), float32."""
    scalars: np.ndarray
    """`SCALARS`, shape (n, 4), float64."""
    xp: np.ndarray
    """BP then RP coefficients, each half relative to its first; shape (n, 110), float64."""

    def __len__(self) -> int:
        return len(self.source_id)


@dataclass(frozen=True)
class Page:
    """A range of source_ids: above `after`, up to `upto`."""

    after: int
    upto: int
    n_stars: int


def pages(connection: Connection, run: Run, roles: Sequence[str], page_size: int, *, added: bool = False) -> list[Page]:
    """Cut the samples of `run` into ranges of `page_size` stars.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    roles : sequence of str
        Samples: ``training``, ``observed``.
    page_size : int
    added : bool
        Only stars that have come with `run`, not those of its base; so below.

    Returns
    -------
    list of Page
    """
    parameters = {"run_id": run.run_id, "roles": _array(roles), "added": added, "page_size": page_size}
    result: list[Page] = []
    after = 0
    for upto, n_stars in connection.execute(load("features/pages").statement, parameters):
        result.append(Page(after, upto, n_stars))
        after = upto
    return result


def report_missing(
    connection: Connection, run: Run, roles: Sequence[str], report: FeatureReport, *, added: bool = False
) -> None:
    """Add to `report` the stars of the samples that lack an input and so never reach `stream_features`.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    roles : sequence of str
    report : FeatureReport
    added : bool
    """
    parameters = input_parameters(run, roles, added=added)
    for reason, n, examples in connection.execute(load("features/missing").statement, parameters):
        report.reject(reason, np.asarray(examples), n)


def stream_features(
    connection: Connection,
    run: Run,
    roles: Sequence[str] = ("training", "observed"),
    chunk: int = 256,
    *,
    after: int = 0,
    upto: int = LAST_SOURCE_ID,
    added: bool = False,
    report: FeatureReport | None = None,
) -> Iterator[FeatureBlock]:
    """Yield the features of a run's samples in the order of source_id.

    Memory is bounded by `chunk`. The connection is busy until the last block has been taken. Stars whose
    spectrum has no valid pixel, or whose XP coefficients or scalars cannot be used, are left out and told to
    `report`.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    roles : sequence of str
        Samples: ``training``, ``observed``.
    chunk : int
        Stars read at a time; a block has at most as many.
    after, upto : int
        Only source_ids above `after` and up to `upto`.
    added : bool
        Only stars that have come with `run`, not those of its base.
    report : FeatureReport, optional
        Filled on the way.

    Yields
    ------
    FeatureBlock
        Never empty.
    """
    report = FeatureReport() if report is None else report
    release = load_release(run.profile.release)
    continuum = continuum_pixels(release.rvs)
    fields: dict[str, Field] = {
        "source_id": ("int8", None),
        "flux": ("float4_bytes", release.rvs.n_pixels),
        "bp": ("float8_bytes", release.xp.bp_coefficients),
        "rp": ("float8_bytes", release.xp.rp_coefficients),
        SCALARS[0]: ("float4", None),
        SCALARS[1]: ("float4", None),
        SCALARS[2]: ("float4", None),
        SCALARS[3]: ("float8", None),
    }
    parameters = {**input_parameters(run, roles, added=added), "after": after, "upto": upto}
    for rows in stream_arrays(connection, load("features/inputs").statement, parameters, fields, chunk):
        block = _features(rows, continuum, report)
        if len(block):
            yield block


def _features(rows: dict[str, np.ndarray], continuum: np.ndarray, report: FeatureReport) -> FeatureBlock:
    source_id = rows["source_id"]
    flux, n_missing, fallback = repair_flux(rows["flux"], continuum)
    xp, xp_valid = normalise_xp(rows["bp"], rows["rp"])
    scalars = np.column_stack([rows[name] for name in SCALARS]).astype(np.float64)
    no_pixel = n_missing == flux.shape[1]
    bad_xp = ~xp_valid & ~no_pixel
    bad_scalars = ~np.isfinite(scalars).all(axis=1) & ~no_pixel & ~bad_xp
    report.reject("an RVS spectrum without a valid pixel", source_id[no_pixel])
    report.reject("a BP or RP coefficient that is not finite, or a first one that is not positive", source_id[bad_xp])
    report.reject("a magnitude or parallax that is not finite", source_id[bad_scalars])
    keep = ~(no_pixel | bad_xp | bad_scalars)
    report.n_stars += int(keep.sum())
    report.n_repaired += int((keep & (n_missing > 0)).sum())
    report.n_pixels += int(n_missing[keep].sum())
    report.n_fallback += int((keep & fallback).sum())
    if keep.all():
        return FeatureBlock(source_id, flux, scalars, xp)
    return FeatureBlock(source_id[keep], flux[keep], scalars[keep], xp[keep])


def _array(roles: Sequence[str]) -> str:
    return "{" + ",".join(roles) + "}"


def input_parameters(run: Run, roles: Sequence[str], *, added: bool = False) -> dict[str, Any]:
    """Return the parameters of queries that look for stars with all inputs: see ``sql/features/inputs.sql``."""
    release = load_release(run.profile.release)
    return {
        "run_id": run.run_id,
        "release": run.release,
        "roles": _array(roles),
        "added": added,
        "flux_bytes": 4 * release.rvs.n_pixels,
        "bp_bytes": 8 * release.xp.bp_coefficients,
        "rp_bytes": 8 * release.xp.rp_coefficients,
    }
