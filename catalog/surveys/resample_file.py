"""Files of RVS spectra onto another pixel grid: read by the survey's reader, written as a FITS table that it reads.

The output says in its header what it was made of, `catalog.surveys.rvs_mean_spectrum` passes this on to the ledger of
files, and the selection refuses a release that holds resampled spectra beside others: they never mix unnoticed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from catalog.errors import ConfigurationError, FormatError
from catalog.progress import Progress, silent
from catalog.releases import PixelGrid, load_release
from catalog.surveys import rvs_mean_spectrum
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.columns import Column
from catalog.surveys.file_ledger import sha256_of
from catalog.surveys.formats import open_file
from catalog.surveys.products import SurveyFile
from catalog.surveys.resample import Resampler, check_grids, library_version
from catalog.surveys.resample_output import SpectrumTable
from catalog.surveys.tables import Rejection

__all__ = ["AGREEMENT", "Resampled", "grid_named", "resample_file"]

AGREEMENT = 1e-5
"""Largest difference, in flux and relative in its error, from the library's own result for a spectrum."""

_COUNTERS = ("combined_transits", "combined_ccds", "deblended_ccds")


@dataclass(frozen=True)
class Resampled:
    """What came out."""

    path: Path
    n_spectra: int
    rejections: list[Rejection]
    """Spectra that were set aside, with the reason."""
    difference: float
    """Largest difference from the library's result in the spectra that were compared."""


def grid_named(name: str) -> PixelGrid:
    """Return the grid ``RELEASE`` or ``RELEASE:PRODUCT``, by default that of its mean spectra.

    Raises
    ------
    NotFoundError
        There is no such release or product.
    ConfigurationError
        The release is a draft and its name does not say so, or the grid is not known.
    """
    release, _, product = name.partition(":")
    return load_release(release).grid(product or rvs_mean_spectrum.PRODUCT.name)


def resample_file(
    path: Path,
    output: Path,
    source: str,
    target: str,
    velocity: float | str | None = None,
    progress: Progress = silent,
    *,
    keep_frame: bool = False,
) -> Resampled:
    """Resample all spectra of a file, batch by batch.

    Parameters
    ----------
    path : Path
        One row a star with arrays, or one row a pixel; in any format that is read on ingest.
    output : Path
        FITS file to write; it appears when it is whole.
    source, target : str
        Names of the two grids, see `grid_named`.
    velocity : float or str, optional
        Radial velocity of all spectra, km/s, or the column that holds each one's: the spectra are brought from the
        barycentric to the star's rest frame.
    progress : Progress
        Told the part of the file that has been read, 0 to 1.
    keep_frame : bool
        Take only the pixels of the target grid and leave the spectra in their own frame.

    Returns
    -------
    Resampled

    Raises
    ------
    ConfigurationError
        specutils is missing, gives other values, or there is no way from one grid to the other.
    FormatError
        The file cannot be read, is on another grid than `source`, or holds no spectrum that could be resampled.
    """
    here, there = grid_named(source), grid_named(target)
    if keep_frame:
        there = there.model_copy(update={"frame": here.frame})
    check_grids(here, there, has_velocity=velocity is not None)
    header = _header(path, source, target, here, there, velocity)
    resampler = Resampler(here.wavelength, there.wavelength)
    rejections: list[Rejection] = []
    difference: float | None = None
    with SpectrumTable(output, there.n_pixels, _COUNTERS, header) as table:
        for batch in _batches(path, source, velocity if isinstance(velocity, str) else None):
            velocities = _velocities(batch, velocity)
            flux, error = resampler(batch.columns["flux"], batch.columns["flux_error"], velocities)
            has_flux = np.isfinite(flux).any(axis=1)
            if difference is None and has_flux.any():
                i = int(np.flatnonzero(has_flux)[0])
                difference = _compare(resampler, batch, velocities, flux, error, i)
            rejections.extend(batch.rejections)
            rejections.extend(_without_flux(batch, velocities, has_flux))
            columns = {name: batch.columns[name][has_flux] for name in ("source_id", *_COUNTERS)}
            table.write({**columns, "flux": flux[has_flux], "flux_error": error[has_flux]})
            progress(batch.fraction, 1.0, path.name)
        if difference is None:
            first = f" The first was set aside because: {rejections[0].reason}." if rejections else ""
            raise FormatError(f"{path} holds no spectrum that could be resampled.{first}")
    return Resampled(output, table.n_rows, rejections, difference)


def _batches(path: Path, source: str, velocity_column: str | None) -> Iterator[SurveyBatch]:
    product = rvs_mean_spectrum.PRODUCT
    if velocity_column is not None:
        product = replace(product, columns=(*product.columns, Column(velocity_column, "double", required=True)))
    name, _, _ = source.partition(":")
    release = load_release(name).model_copy(update={"rvs_mean_spectrum": grid_named(source)})
    survey = SurveyFile(path, product, release, open_file(path))
    for batch in survey.batches():
        if any(text.startswith(rvs_mean_spectrum.RESAMPLED) for text in survey.notices.texts):
            raise FormatError(f"{path} holds spectra that are resampled already.", "Resample the archive's own file.")
        if velocity_column is not None and velocity_column not in batch.columns:
            raise FormatError(
                f"{path} has one row a pixel: a column of it cannot hold one velocity a star.",
                "Give the velocity itself (--velocity).",
            )
        yield batch


def _velocities(batch: SurveyBatch, velocity: float | str | None) -> np.ndarray | None:
    if velocity is None:
        return None
    if isinstance(velocity, str):
        return np.asarray(batch.columns[velocity], dtype=np.float64)
    return np.full(len(batch), velocity)


def _without_flux(batch: SurveyBatch, velocities: np.ndarray | None, has_flux: np.ndarray) -> Iterator[Rejection]:
    for i in np.flatnonzero(~has_flux).tolist():
        unknown = velocities is not None and not np.isfinite(velocities[i])
        rule, reason = ("velocity", "no radial velocity") if unknown else ("all_nan", "no pixel of the target grid")
        yield Rejection(int(batch.row_number[i]), str(batch.columns["source_id"][i]), rule, reason)


def _compare(
    resampler: Resampler,
    batch: SurveyBatch,
    velocities: np.ndarray | None,
    flux: np.ndarray,
    error: np.ndarray,
    i: int,
) -> float:
    """Return how far spectrum `i` is from the library's result."""
    velocity = 0.0 if velocities is None else float(velocities[i])
    theirs = resampler.by_library(batch.columns["flux"][i], batch.columns["flux_error"][i], velocity)
    valid, known = np.isfinite(flux[i]), np.isfinite(error[i])
    apart = np.concatenate([np.abs(flux[i] - theirs[0])[valid], np.abs(error[i] / theirs[1] - 1.0)[known]])
    largest = float(apart.max()) if np.isfinite(apart).all() else np.inf
    if not largest <= AGREEMENT:
        raise ConfigurationError(
            f"{library_version()} gives other values than rvscat for source {batch.columns['source_id'][i]}: they "
            f"differ by up to {largest:.2g}.",
            "Install the version of specutils that rvscat was tested with.",
        )
    return largest


def _header(
    path: Path, source: str, target: str, here: PixelGrid, there: PixelGrid, velocity: float | str | None
) -> Sequence[tuple[str, object, str]]:
    shift = "none" if velocity is None else f"column {velocity}" if isinstance(velocity, str) else f"{velocity:g} km/s"
    return (
        ("RSGRID", str(here), ""),
        ("RSSOURCE", source, "name of that grid"),
        ("RSTARGET", target, "name of the grid of these spectra"),
        ("RSSTART", there.start, "nm, first pixel"),
        ("RSSTEP", there.step, "nm"),
        ("RSNPIX", there.n_pixels, ""),
        ("RSMEDIUM", there.medium, ""),
        ("RSFRAME", there.frame, ""),
        ("RSVELO", shift, "radial velocities applied"),
        ("RSMETHOD", f"flux-conserving, as in {library_version()}", ""),
        ("RSFILE", path.name, "original file"),
        ("RSSHA256", sha256_of(path), ""),
        ("EXTNAME", rvs_mean_spectrum.PRODUCT.name, ""),
    )
