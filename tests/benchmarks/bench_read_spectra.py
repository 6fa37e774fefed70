"""How fast RVS spectra are read from a bulk file, against decompression alone and astropy.

Run by hand: ``python tests/benchmarks/bench_read_spectra.py [spectra]``. All times are CPU seconds of one
process, the best of three; compare ratios, not seconds of different machines.
"""

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.table import Table

from catalog.releases import load_release
from catalog.surveys import convert, open_survey
from catalog.surveys.formats import open_tables
from catalog.surveys.formats.text import read_stream

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.surveys.files import spectra, write_bulk


def measure(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the CPU seconds of the fastest of some repeats."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def read_all(path: Path) -> int:
    """Read and check all spectra."""
    return sum(len(batch) for batch in open_survey(path, "rvs_mean_spectrum", load_release("dr3")).batches())


def split_only(path: Path) -> None:
    """Split rows into columns of text, without parsing numbers."""
    [table] = open_tables(path)
    for _ in table.blocks(["source_id", "flux", "flux_error"]):
        pass


def parse_with_numpy(cells: pa.Array) -> np.ndarray:
    """Parse each cell with numpy's own text parser."""
    return np.stack([np.fromstring(cell[1:-1], dtype=np.float32, sep=",") for cell in cells.to_pylist()])


def main(n_stars: int) -> None:
    """Write a file, read it in several ways and print a table."""
    pa.set_cpu_count(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        columns = spectra(n_stars)
        plain = write_bulk(Path(folder) / "a.csv", "rvs_mean_spectrum", columns)
        packed = write_bulk(Path(folder) / "a.csv.gz", "rvs_mean_spectrum", columns)
        few = write_bulk(Path(folder) / "few.csv", "rvs_mean_spectrum", spectra(min(n_stars, 40)))
        [table] = open_tables(plain)
        block = next(table.blocks(["flux"]))
        cells = block.columns["flux"].slice(0, 200)

        rates = {
            "gunzip alone": n_stars / measure(lambda: list(map(len, read_stream(packed)))),
            "rows split into text": n_stars / measure(lambda: split_only(plain)),
            "this reader, plain file": n_stars / measure(lambda: read_all(plain)),
            "this reader, .csv.gz": n_stars / measure(lambda: read_all(packed)),
            "astropy ascii.ecsv, plain file": min(n_stars, 40)
            / measure(lambda: Table.read(few, format="ascii.ecsv"), 1),
        }
        numbers = {
            "one array column, this reader": len(cells) / measure(lambda: convert.to_arrays(cells, 2401, np.float32)),
            "one array column, np.fromstring": len(cells) / measure(lambda: parse_with_numpy(cells)),
        }
    reference = rates["this reader, plain file"]
    print(f"{n_stars} spectra (flux and error), {os.cpu_count()} cores in the machine, one used")
    for name, rate in rates.items():
        print(f"{name:34s} {rate:10,.0f} spectra/s   {rate / reference:6.2f} x")
    for name, rate in numbers.items():
        print(f"{name:34s} {rate:10,.0f} arrays/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
