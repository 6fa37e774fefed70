"""Writes the four Gaia products as bulk files, one a range of HEALPix pixels."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pandas as pd

from catalog.mock import gaia_spectra
from catalog.mock.astrophysical_parameters import astrophysical_parameters
from catalog.mock.ecsv import BulkFile, as_text, text_header
from catalog.mock.gaia_source import gaia_source
from catalog.mock.layouts import bulk_columns
from catalog.mock.noise import observe_spectra
from catalog.mock.spectra import SpectrumModel
from catalog.mock.xp import XpModel, correlation_texts
from catalog.profiles.model import MockSettings
from catalog.progress import Progress
from catalog.releases import Release
from catalog.sky import healpix

__all__ = ["FILE_SHIFT", "file_ranges", "write_gaia"]

BLOCK = 256
"""Stars that are made at once. The cut into blocks is the same however many files there are."""

DESCRIPTION = "Synthetic sky made by rvscat in the format of this table. These are not observations."

FILE_SHIFT = healpix.RUNNING_BITS + 2 * (healpix.SOURCE_LEVEL - healpix.FILE_LEVEL)
"""A source_id shifted right by this is the pixel by which files are named."""


def file_ranges(source_ids: np.ndarray, n_files: int) -> list[tuple[int, int]]:
    """Cut the sky into ranges of level-8 pixels with about equally many sources.

    Parameters
    ----------
    source_ids : numpy.ndarray, shape (n,)
        Sorted.
    n_files : int

    Returns
    -------
    list of (int, int)
        First and last pixel of each range; together they cover the sky.
    """
    last = healpix.n_pixels(healpix.FILE_LEVEL) - 1
    pixels = source_ids >> FILE_SHIFT
    starts = [0]
    for i in range(1, n_files):
        begin = int(pixels[i * pixels.size // n_files])
        starts.append(max(begin, starts[-1] + 1))
    ends = [start - 1 for start in starts[1:]] + [last]
    return list(zip(starts, ends, strict=True))


def write_gaia(
    folder: Path, mock: MockSettings, release: Release, stars: pd.DataFrame, progress: Progress
) -> dict[str, int]:
    """Write the four Gaia products, file by file and block by block.

    Parameters
    ----------
    folder : Path
        Gets one sub-folder a product.
    mock : MockSettings
    release : Release
    stars : pandas.DataFrame
        All columns of `observation.observe`, sorted by source_id.
    progress : Progress
        Counts stars.

    Returns
    -------
    dict of str to int
        Rows by product.
    """
    products = _Products(mock, release, stars)
    ranges = file_ranges(stars["source_id"].to_numpy(), mock.n_files)
    pixels = stars["source_id"].to_numpy() >> FILE_SHIFT
    counts = dict.fromkeys(release.bulk_files, 0)
    sums: dict[str, list[str]] = {product: [] for product in release.bulk_files}
    for product in release.bulk_files:
        (folder / product).mkdir()
    done = 0
    for i, (first, last) in enumerate(ranges, start=1):
        begin, end = (int(row) for row in np.searchsorted(pixels, [first, last + 1]))
        with ExitStack() as stack:
            files = {}
            for product, prefix in release.bulk_files.items():
                path = folder / product / f"{prefix}_{first:06d}-{last:06d}.csv.gz"
                header = text_header(release.title, product, DESCRIPTION, bulk_columns(product))
                files[product] = stack.enter_context(closing(BulkFile(path, header)))
            for rows in _blocks(begin, end):
                products.write(files, rows)
                done += rows.stop - rows.start
                progress(done, len(stars), f"Gaia files {i} of {len(ranges)}")
        for product, file in files.items():
            counts[product] += file.rows
            sums[product].append(f"{file.md5}  {file.path.name}\n")
    for product, lines in sums.items():
        (folder / product / "_MD5SUM.txt").write_text("".join(lines))
    return counts


def _blocks(begin: int, end: int) -> Iterator[slice]:
    """Yield the parts of rows `begin` to `end` that lie in one block each."""
    while begin < end:
        stop = min((begin // BLOCK + 1) * BLOCK, end)
        yield slice(begin, stop)
        begin = stop


class _Products:
    """Makes the printed rows of all four products; spectra of one block at a time are in memory."""

    def __init__(self, mock: MockSettings, release: Release, stars: pd.DataFrame) -> None:
        self.seed = mock.seed
        self.release = release
        self.stars = stars
        self.spectra = SpectrumModel(release.rvs)
        self.xp = XpModel(release.xp)
        self.correlations = (
            correlation_texts(mock.seed, release.xp.bp_coefficients),
            correlation_texts(mock.seed, release.xp.rp_coefficients),
        )

    def write(self, files: dict[str, BulkFile], rows: slice) -> None:
        """Write the stars `rows`, which lie in one block, to the open files of each product."""
        # Whole blocks are computed and cut afterwards, so that their numbers do not depend on the files.
        number = rows.start // BLOCK
        first = number * BLOCK
        stars = self.stars.iloc[first : first + BLOCK].reset_index(drop=True)
        wanted = np.zeros(len(stars), dtype=bool)
        wanted[rows.start - first : rows.stop - first] = True
        title, epoch = self.release.title, self.release.reference_epoch
        scalars = {
            "gaia_source": gaia_source(self.seed, number, stars, title, epoch),
            "astrophysical_parameters": astrophysical_parameters(self.seed, number, stars),
        }
        n = int(wanted.sum())
        for product, columns in scalars.items():
            texts = {name: as_text(v[wanted] if isinstance(v, np.ndarray) else v, n) for name, v in columns.items()}
            files[product].write(bulk_columns(product), texts, n)
        self._write_spectra(files["rvs_mean_spectrum"], stars, wanted)
        self._write_coefficients(files["xp_continuous_mean_spectrum"], stars, wanted)

    def _write_spectra(self, file: BulkFile, stars: pd.DataFrame, wanted: np.ndarray) -> None:
        observed = stars["has_rvs"].to_numpy()
        keep = wanted[observed]
        stars = stars[observed]
        flux, error = observe_spectra(self.seed, stars, self.spectra.flux(stars))
        texts = gaia_spectra.rvs_mean_spectrum(stars[keep], flux[keep], error[keep])
        file.write(bulk_columns("rvs_mean_spectrum"), texts, int(keep.sum()))

    def _write_coefficients(self, file: BulkFile, stars: pd.DataFrame, wanted: np.ndarray) -> None:
        measured = stars["has_xp"].to_numpy()
        keep = wanted[measured]
        stars = stars[measured]
        coefficients = self.xp.spectra(self.seed, stars).rows(keep)
        texts = gaia_spectra.xp_continuous_mean_spectrum(self.seed, stars[keep], coefficients, self.correlations)
        file.write(bulk_columns("xp_continuous_mean_spectrum"), texts, int(keep.sum()))
