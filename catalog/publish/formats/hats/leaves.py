"""Leaf files of a HATS catalogue: rows wait in a spool a pixel and become sorted Parquet files, one at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["HEALPIX", "Leaves", "Pixel", "choose_pixels", "leaf_path"]

HEALPIX = "_healpix_29"
"""Column of the pixel of order 29, by which rows are sorted."""

Pixel = tuple[int, int]
"""Order and number."""


def leaf_path(pixel: Pixel) -> str:
    """Return where the file of `pixel` lies below ``dataset``."""
    order, number = pixel
    return f"Norder={order}/Dir={number // 10_000 * 10_000}/Npix={number}.parquet"


def choose_pixels(counts: np.ndarray, order: int, most: int) -> list[Pixel]:
    """Return the largest pixels with at most `most` rows; the finest of `counts` may have more.

    Parameters
    ----------
    counts : numpy.ndarray, shape (12 * 4**order,)
        Rows of each pixel of `order`.
    order : int
    most : int

    Returns
    -------
    list of Pixel
        In the order of the sky; without empty ones.
    """
    chosen: list[Pixel] = []
    levels = [counts]
    for _ in range(order):
        levels.insert(0, levels[0].reshape(-1, 4).sum(axis=1))

    def descend(level: int, number: int) -> None:
        n = levels[level][number]
        if not n:
            return
        if n <= most or level == order:
            chosen.append((level, number))
            return
        for child in range(4 * number, 4 * number + 4):
            descend(level + 1, child)

    for base in range(12):
        descend(0, base)
    return chosen


class Leaves:
    """The leaf files of one catalogue.

    Parameters
    ----------
    folder : Path
        Of the catalogue; gets ``dataset``.
    schema : pyarrow.Schema
        With the column `HEALPIX`.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._dataset, self._spool, self._schema = folder / "dataset", folder / "spool", schema
        self._spool.mkdir(parents=True)
        self._writers: dict[Pixel, pa.ipc.RecordBatchStreamWriter] = {}
        self.n_rows = 0

    def add(self, pixel: Pixel, batch: pa.RecordBatch) -> None:
        """Put rows of `pixel` aside."""
        if pixel not in self._writers:
            self._writers[pixel] = pa.ipc.new_stream(str(self._file(pixel)), self._schema)
        self._writers[pixel].write_batch(batch)
        self.n_rows += len(batch)

    def finish(self) -> Iterator[Pixel]:
        """Write the files, and what Parquet readers want to know of all of them; yield each pixel when it is done."""
        self.close()
        collected: list[pq.FileMetaData] = []
        for pixel in sorted(self._writers, key=lambda each: each[1] << 2 * (29 - each[0])):
            with pa.ipc.open_stream(str(self._file(pixel))) as stream:
                table = stream.read_all()
            self._file(pixel).unlink()
            path = self._dataset / leaf_path(pixel)
            path.parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(path, self._schema, compression="zstd", metadata_collector=collected) as writer:
                writer.write_table(table.sort_by(HEALPIX))
            collected[-1].set_file_path(leaf_path(pixel))
            yield pixel
        self._dataset.mkdir(parents=True, exist_ok=True)
        pq.write_metadata(self._schema, self._dataset / "_common_metadata")
        pq.write_metadata(self._schema, self._dataset / "_metadata", metadata_collector=collected)
        self._spool.rmdir()

    def close(self) -> None:
        """Close what is open."""
        for writer in self._writers.values():
            writer.close()

    def _file(self, pixel: Pixel) -> Path:
        return self._spool / f"{pixel[0]}-{pixel[1]}.arrows"
