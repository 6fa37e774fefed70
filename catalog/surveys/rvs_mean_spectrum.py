"""``rvs_mean_spectrum`` of Gaia: RVS mean spectra, normalised and in the star's rest frame.

Two shapes. One row a star, flux and error as arrays, no wavelength column: the bulk files and DataLink
RAW (Gaia DR3 documentation, section 20.12.1; no real file was seen, the bulk dialect is that of a sibling
table). One row a pixel, DataLink INDIVIDUAL: CSV repeats the star's id on each row, FITS holds it as
keyword SOURCEID (real files seen); VOTable as PARAM and ECSV in its metadata block (inferred from the
sibling product XP_SAMPLED). Missing pixels have neither flux nor error, and need not touch an edge.

Spectra that `rvscat resample` made of others say so in their header: they are taken when they are on the release's
grid, and the ledger of files keeps what they were made of.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from catalog.errors import FormatError
from catalog.releases import PixelGrid, Release
from catalog.surveys import convert
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Column, Notices, find_columns
from catalog.surveys.product import Product, check_source_id, convert_columns
from catalog.surveys.tables import IMAGE, RawBlock, RawTable

__all__ = ["GRID_TOLERANCE", "PRODUCT", "RESAMPLED", "grid_error"]

GRID_TOLERANCE = 1e-3
"""Largest difference from the release's wavelengths, nm: a tenth of a DR3 pixel."""

RESAMPLED = "resampled from "
"""Beginning of the notice on a file of resampled spectra; sql/selection/resampled.sql looks for it."""

_ARRAYS = ("flux", "flux_error")
_COUNTERS = ("combined_transits", "combined_ccds", "deblended_ccds")

_COLUMNS = (
    Column("source_id", "bigint", required=True),
    Column("flux", "array", required=True),
    Column("flux_error", "array", required=True),
    *(Column(name, "smallint") for name in _COUNTERS),
)

_PIXEL_COLUMNS = (
    Column("source_id", "bigint"),
    Column("wavelength", "double", required=True),
    Column("flux", "real", required=True),
    Column("flux_error", "real", required=True),
    *(Column(name, "smallint") for name in _COUNTERS),
)

# Keywords of DataLink FITS; VOTable and ECSV use the column names.
_META = {
    "source_id": ("source_id", "SOURCEID"),
    "combined_transits": ("combined_transits", "NTRANSIT"),
    "combined_ccds": ("combined_ccds", "NCCDS"),
    "deblended_ccds": ("deblended_ccds", "NDEBLEND"),
}


def _read(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    if table.form == IMAGE:
        raise FormatError(
            f"{table.path} holds no table but an image of {table.meta['shape']} pixels: wrong number of pixels, "
            f"or no spectra at all. Spectra of release {release.name} are table rows of {release.rvs.n_pixels} pixels.",
            "Spectra resampled by others cannot be used: give the archive's own files.",
        )
    if "RSGRID" in table.meta:
        _check_resampled(table, release, notices)
    if "wavelength" in (name.lower() for name in table.names):
        return _read_pixels(table, release, notices)
    return _read_stars(product, table, release, notices)


def _check_resampled(table: RawTable, release: Release, notices: Notices) -> None:
    """Check that resampled spectra are on the release's grid, and tell where they come from."""
    try:
        start, step, n_pixels, medium, frame = (
            table.meta[name] for name in ("RSSTART", "RSSTEP", "RSNPIX", "RSMEDIUM", "RSFRAME")
        )
        there = PixelGrid(start=start, step=step, n_pixels=n_pixels, medium=medium, frame=frame)
    except (KeyError, ValueError) as error:
        raise FormatError(f"{table.path} does not say what grid it was resampled to: {error}.") from error
    if there.axis != release.rvs.axis:
        raise FormatError(
            f"{table.path} was resampled to {there}; release {release.name} has {release.rvs}.",
            f"Resample the archive's file to this grid: rvscat resample --to {release.name}.",
        )
    text = f"{RESAMPLED}{table.meta['RSGRID']} (radial velocity: {table.meta.get('RSVELO', 'unknown')})"
    notices.texts.insert(0, text)
    notices.texts.insert(1, f"made of {table.meta.get('RSFILE')}, SHA-256 {table.meta.get('RSSHA256')}")


def _read_stars(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    """Read one row a star."""
    found = find_columns(product.columns, table, product.name, notices)
    n_pixels = release.rvs.n_pixels
    is_first = True
    with ThreadPoolExecutor(len(_ARRAYS)) as workers:
        for block, parsing in _begin_parsing(table.blocks(list(found.values())), found, n_pixels, workers):
            screen = convert_columns(product, block, found)
            check_source_id(screen)
            for name, future in zip(_ARRAYS, parsing, strict=True):
                arrays = future.result()
                wrong = arrays.lengths != n_pixels
                if is_first and wrong.size and wrong.all():
                    raise _off_grid(table, f"wrong number of pixels: {arrays.lengths[0]}, not {n_pixels}", release)
                screen.columns[name] = arrays.values
                screen.reject(arrays.bad, "unparsable", f"{name} is no list of numbers")
                screen.reject(wrong, "n_pixels", _describe_length(name, arrays.lengths, n_pixels))
            is_first = False
            _check_values(screen)
            yield screen.batch(block.fraction, "source_id")


def _begin_parsing(
    blocks: Iterator[RawBlock], found: Mapping[str, str], n_pixels: int, workers: Executor
) -> Iterator[tuple[RawBlock, list[Future[convert.Arrays]]]]:
    """Yield blocks whose arrays are being parsed while the block after them is split into columns."""
    begun: tuple[RawBlock, list[Future[convert.Arrays]]] | None = None
    for block in blocks:
        raw = [block.columns[found[name]] for name in _ARRAYS]
        parsing = [workers.submit(convert.to_arrays, column, n_pixels, np.float32) for column in raw]
        if begun is not None:
            yield begun
        begun = block, parsing
    if begun is not None:
        yield begun


def _read_pixels(table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    """Read one row a pixel; a star's rows follow each other."""
    meta = {key: value for key, names in _META.items() if (value := _meta_number(table, names)) is not None}
    columns_here = tuple(column for column in _PIXEL_COLUMNS if column.name not in meta)
    found = find_columns(columns_here, table, "rvs_mean_spectrum", notices)
    if "source_id" not in found and "source_id" not in meta:
        raise FormatError(
            f"{table.path} ({table.form}) does not say whose spectrum it is.",
            "Expected is a column source_id, a keyword SOURCEID, or a PARAM or metadata entry source_id.",
        )
    n_right, misfit = 0, ""
    for columns, starts, fraction in _whole_stars(table, found, meta):
        batch = _assemble(columns, starts, release, fraction)
        misfits = [rejection.reason for rejection in batch.rejections if rejection.rule in ("n_pixels", "grid")]
        n_right += len(starts) - len(misfits)
        misfit = misfit or next(iter(misfits), "")
        yield batch
    if misfit and not n_right:
        raise _off_grid(table, misfit, release)


def _whole_stars(
    table: RawTable, found: Mapping[str, str], meta: Mapping[str, int]
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, float]]:
    """Yield pixel columns that end where a star ends, the rows at which stars begin, and the part read."""
    pixels = Product("rvs_mean_spectrum", "", _PIXEL_COLUMNS, {}, "source_id")
    pending: dict[str, np.ndarray] = {}
    for block in table.blocks(list(found.values())):
        screen = convert_columns(pixels, block, found)
        if screen.rejections:
            # A spectrum with a hole of unknown place is no spectrum.
            first = screen.rejections[0]
            raise FormatError(f"{table.path}, row {first.row_number}: {first.reason}.", "Download the file again.")
        columns = {**screen.columns, "row_number": screen.row_number}
        for name, value in meta.items():
            columns[name] = np.ma.MaskedArray(np.full(len(screen.row_number), value), mask=False)
        pending = {name: np.ma.concatenate([pending[name], new]) if pending else new for name, new in columns.items()}
        starts = np.append(0, np.flatnonzero(np.diff(np.ma.filled(pending["source_id"], 0))) + 1)
        # The last star of a block may go on in the next.
        if last := int(starts[-1]):
            yield {name: values[:last] for name, values in pending.items()}, starts[:-1], block.fraction
            pending = {name: values[last:] for name, values in pending.items()}
    if pending:
        yield pending, np.array([0]), 1.0


def _assemble(pixels: Mapping[str, np.ndarray], starts: np.ndarray, release: Release, fraction: float) -> SurveyBatch:
    """Make one row of the pixels of each star."""
    n_pixels = release.rvs.n_pixels
    lengths = np.diff(np.append(starts, len(pixels["flux"])))
    right = lengths == n_pixels
    index = starts[right, None] + np.arange(n_pixels)
    columns = {name: pixels[name][starts] for name in ("source_id", *_COUNTERS)}
    problems = np.full(len(starts), "", dtype=object)
    problems[right] = [grid_error(row, release.rvs) for row in pixels["wavelength"][index]]
    for name in _ARRAYS:
        columns[name] = np.full((len(starts), n_pixels), np.nan, dtype=np.float32)
        columns[name][right] = pixels[name][index]
    screen = Screen(columns, np.asarray(pixels["row_number"])[starts], columns["source_id"])
    screen.reject(~right, "n_pixels", lambda i: f"wrong number of pixels: {lengths[i]}, not {n_pixels}")
    screen.reject(problems != "", "grid", lambda i: problems[i])
    check_source_id(screen)
    _check_values(screen)
    return screen.batch(fraction, "source_id")


def grid_error(wavelength: np.ndarray, grid: PixelGrid) -> str:
    """Tell how wavelengths differ from the release's grid.

    Parameters
    ----------
    wavelength : numpy.ndarray
        Shape (n,), nm.
    grid : PixelGrid

    Returns
    -------
    str
        Empty when each agrees within `GRID_TOLERANCE`.
    """
    if len(wavelength) != grid.n_pixels:
        return f"{len(wavelength)} wavelengths, not {grid.n_pixels}"
    apart = np.abs(wavelength - grid.wavelength)
    if (apart <= GRID_TOLERANCE).all():
        return ""
    i = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    return f"wavelength {wavelength[i]} nm at pixel {i}, where the grid has {grid.wavelength[i]:.3f} nm"


def _check_values(screen: Screen) -> None:
    flux = screen.columns["flux"]
    is_nan = np.isnan(flux)
    screen.reject(is_nan.all(axis=1), "all_nan", "no pixel has a flux")
    if np.count_nonzero(is_nan) + np.count_nonzero(np.isfinite(flux)) < flux.size:
        screen.reject(np.isinf(flux).any(axis=1), "not_finite", "flux is infinite in some pixel")


def _describe_length(name: str, lengths: np.ndarray, n_pixels: int) -> Callable[[int], str]:
    return lambda i: f"wrong number of pixels in {name}: {lengths[i]}, not {n_pixels}"


def _off_grid(table: RawTable, misfit: str, release: Release) -> FormatError:
    return FormatError(
        f"{table.path} holds no spectrum on the pixel grid of release {release.name}: {misfit}.",
        "Is it a file of another release? `rvscat resample` brings spectra from one grid to another.",
    )


def _meta_number(table: RawTable, names: tuple[str, ...]) -> int | None:
    value: Any = next((table.meta[name] for name in names if name in table.meta), None)
    if value is None:
        return None
    try:
        return int(value)
    except ValueError as error:
        raise FormatError(f"{table.path}: {names[0]} in the header is {value!r}, not a number.") from error


PRODUCT = Product(
    name="rvs_mean_spectrum",
    title="RVS mean spectra",
    columns=_COLUMNS,
    tables={
        "survey.rvs_spectrum": ("source_id", "flux", *_COUNTERS),
        "survey.rvs_spectrum_error": ("source_id", "flux_error"),
    },
    identifier="source_id",
    keyed_by_source=True,
    reader=_read,
    all_tables=True,
)
