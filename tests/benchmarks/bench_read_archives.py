"""How fast RVS spectra are read from DataLink archives of single products, against unpacking alone.

Run by hand: ``python tests/benchmarks/bench_read_archives.py [spectra]``. CPU seconds of one process, the best of
three; compare ratios, not seconds of different machines.
"""

import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from catalog.releases import load_release
from catalog.surveys import open_survey
from tests.benchmarks.measuring import measure, peak_memory_mb
from tests.surveys.datalink_files import pixel_csv, pixel_ecsv, pixel_fits, pixel_votable, write_zip
from tests.surveys.files import FIRST_ID, spectra

FORMS = {"csv": pixel_csv, "ecsv": pixel_ecsv, "fits": pixel_fits, "xml": pixel_votable}
_DIFFERENT = 50


def write(path: Path, form: str, n_stars: int) -> Path:
    """Write an archive of `n_stars` members; their spectra repeat after a while."""
    columns = spectra(min(n_stars, _DIFFERENT))
    members = []
    for i in range(n_stars):
        columns["source_id"][i % _DIFFERENT] = FIRST_ID + i
        members.append((f"RVS-Gaia DR3 {FIRST_ID + i}.{form}", FORMS[form](columns, i % _DIFFERENT)))
    return write_zip(path, members)


def unpack(path: Path) -> None:
    """Decompress each member and do nothing with it."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            archive.read(info)


def read_all(path: Path) -> int:
    """Read and check all spectra."""
    return sum(len(batch) for batch in open_survey(path, "rvs_mean_spectrum", load_release("dr3")).batches())


def main(n_stars: int) -> None:
    """Write an archive in each form, read it and print a table."""
    warnings.simplefilter("ignore")
    print(f"{n_stars} members of one spectrum each, spectra/s of CPU time")
    print(f"{'form':6s}{'unpacked alone':>16s}{'read':>10s}{'ratio':>8s}{'wall':>10s}")
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            path = write(Path(folder) / f"{form}.zip", form, n_stars)
            floor = measure(lambda path=path: unpack(path))
            cost = measure(lambda path=path: read_all(path))
            rates = n_stars / floor.client_s, n_stars / cost.client_s
            print(
                f"{form:6s}{rates[0]:16,.0f}{rates[1]:10,.0f}{rates[0] / rates[1]:8.2f}{n_stars / cost.wall_s:10,.0f}"
            )
            path.unlink()
    print(f"peak memory {peak_memory_mb():,.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
