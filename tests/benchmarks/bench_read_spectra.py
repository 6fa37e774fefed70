"""How fast RVS spectra are read from a bulk file, against decompression alone, astropy and pandas.

Run by hand: ``python tests/benchmarks/bench_read_spectra.py [spectra]``. The best of three; CPU seconds are
those of all threads. Compare ratios, not seconds of different machines.
"""

import gzip
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from astropy.table import Table
from isal import igzip
from measuring import measure

from catalog.releases import load_release
from catalog.surveys import convert, open_survey
from catalog.surveys.formats import open_tables
from tests.surveys.files import spectra, write_bulk


def read_all(path: Path) -> int:
    """Read and check all spectra."""
    return sum(len(batch) for batch in open_survey(path, "rvs_mean_spectrum", load_release("dr3")).batches())


def split_only(path: Path) -> None:
    """Split rows into columns of text, without parsing numbers."""
    for table in open_tables(path):
        for _ in table.blocks(["source_id", "flux", "flux_error"]):
            pass


def decompress(path: Path, opener: object) -> None:
    """Decompress a file in blocks."""
    with opener(path) as file:  # type: ignore[operator]
        while file.read(1 << 22):
            pass


def pandas_json(path: Path) -> np.ndarray:
    """Read with pandas, and each array with json.loads."""
    arrays = ["flux", "flux_error"]
    frame = pd.read_csv(path, comment="#", converters=dict.fromkeys(arrays, json.loads))
    return np.stack([np.array(frame[name].tolist(), dtype=np.float32) for name in arrays])


def main(n_stars: int) -> None:
    """Write files, read them in several ways and print a table."""
    pa.set_cpu_count(1)
    warnings.simplefilter("ignore")
    n_few = min(n_stars, 100)
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "a.csv", Path(folder) / "a.csv.gz"
        write_bulk(plain, "rvs_mean_spectrum", spectra(n_stars))
        write_bulk(packed, "rvs_mean_spectrum", spectra(n_stars))
        few = write_bulk(Path(folder) / "few.csv", "rvs_mean_spectrum", spectra(n_few))
        ways = {
            "gunzip alone (zlib)": (n_stars, lambda: decompress(packed, gzip.open)),
            "gunzip alone (ISA-L)": (n_stars, lambda: decompress(packed, igzip.open)),
            "rows split into fields": (n_stars, lambda: split_only(plain)),
            "this reader, .csv.gz": (n_stars, lambda: read_all(packed)),
            "this reader, plain file": (n_stars, lambda: read_all(plain)),
            "pandas, json.loads a cell": (n_few, lambda: pandas_json(few)),
            "astropy ascii.ecsv": (n_few, lambda: Table.read(few, format="ascii.ecsv")),
        }
        read_all(few)  # compiles
        costs = {name: (n, measure(work)) for name, (n, work) in ways.items()}
        [table] = open_tables(plain)
        cells = next(table.blocks(["flux"])).columns["flux"]
        arrow = cells.to_arrow()
        parse = measure(lambda: convert.to_arrays(cells, 2401, np.float32), 20)
        careful = measure(lambda: convert._parse_arrays_carefully(arrow, 2401, np.float32), 20)
    astropy_n, astropy_cost = costs["astropy ascii.ecsv"]
    print(f"{n_stars} spectra (flux and error), {os.cpu_count()} cores")
    print(f"{'':32s} {'per CPU second':>16s} {'per second':>12s} {'wall, astropy = 1':>18s}")
    for name, (n, cost) in costs.items():
        ratio = n / cost.wall_s / (astropy_n / astropy_cost.wall_s)
        print(f"{name:32s} {n / cost.client_s:16,.0f} {n / cost.wall_s:12,.0f} {ratio:18.1f}")
    numbers = 2401 * len(cells)
    print(
        f"one number: {parse.client_s / numbers * 1e9:.1f} ns compiled, {careful.client_s / numbers * 1e9:.1f} ns Arrow"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
