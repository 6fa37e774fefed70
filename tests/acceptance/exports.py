"""Open every exported format with the programs that people use: ``python tests/acceptance/exports.py [STILTS]``.

STILTS is the program, or ``java -jar stilts.jar`` in quotes; by default the ``stilts`` on the path. LSDB is asked in an
environment of its own, which is made in a temporary folder (network is needed), or in that of RVSCAT_LSDB_PYTHON. A
catalogue of 6000 stars so dense that margins matter is published in a database of its own (RVSCAT_DATABASE_URL, or an
embedded server in a temporary folder), exported, and read back.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

N_STARS = 6000
TABLES = ("rvs_cnn", "rvs_cnn_extended")

# Runs where LSDB is installed: reads a collection, and crosses it with itself, which needs the margins.
LSDB = """
import logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
import lsdb, numpy as np
from hats.io.validation import is_valid_catalog
from scipy.spatial import cKDTree
path, n_stars = sys.argv[1], int(sys.argv[2])
catalogue = lsdb.open_catalog(path, columns="all")
stars = catalogue.compute()
pairs = len(catalogue.crossmatch(catalogue, radius_arcsec=9.9, n_neighbors=100, suffixes=("_1", "_2")).compute())
ra, dec = (np.radians(stars[name].astype(float)) for name in ("ra", "dec"))
places = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
near = len(cKDTree(places).query_pairs(2 * np.sin(np.radians(9.9 / 3600) / 2)))
print("valid", is_valid_catalog(path, strict=True), "partitions", catalogue.npartitions, "stars", len(stars),
      "margin", len(catalogue.margin.compute()), "pairs", pairs, "expected", len(stars) + 2 * near)
assert is_valid_catalog(path, strict=True) and len(stars) == n_stars and pairs == len(stars) + 2 * near
"""


def say(words: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def run(*command: str) -> str:
    """Run a program and return what it writes."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def export(folder: Path) -> None:
    """Publish the catalogue and export it in every format."""
    import psycopg

    from catalog.database import migrate
    from catalog.publish.export import export_catalogue
    from catalog.publish.formats import FORMATS
    from catalog.publish.formats.hats import collection
    from catalog.settings import Settings
    from tests.databases import database
    from tests.publish.awkward import publish_awkward

    server = os.environ.get("RVSCAT_DATABASE_URL")
    settings = Settings(home=folder / "database")
    if server is None:
        from catalog.database.embedded import ensure_server

        server = ensure_server(settings)
    # So that few stars have many pixels.
    collection.HatsCollection.__init__.__defaults__ = (700, 8)  # type: ignore[misc]
    try:
        with database(server, "template1") as url:
            migrate.upgrade(url)
            with psycopg.connect(url) as connection:
                publish_awkward(connection, N_STARS, dense=True)
                export_catalogue(connection, folder / "files", FORMATS)
    finally:
        if "RVSCAT_DATABASE_URL" not in os.environ:
            from catalog.database.embedded import remove_server

            remove_server(settings)


def ask_stilts(stilts: list[str], folder: Path) -> None:
    """Let TOPCAT's engine read each file: all rows, all columns, nulls, metadata; and judge the VOTables."""
    for table in TABLES:
        say(f"== {table}")
        told = {}
        for name, form in (
            ("fits", "fits-plus"),
            ("vot", "votable"),
            ("parquet", "parquet"),
            ("csv", "csv"),
            ("ecsv", "ecsv"),
        ):
            probe = [*stilts, "tpipe", f"in={folder / f'{table}.{name}'}", f"ifmt={form}", "omode=count"]
            if "Unknown format" in subprocess.run(probe, capture_output=True, text=True, check=False).stderr:
                say(f"{name:8s}not read by this old or reduced STILTS; by astropy or pyarrow above")
                continue
            source = [f"in={folder / f'{table}.{name}'}", f"ifmt={form}", "ofmt=csv-noheader"]
            told[name] = run(*stilts, "tpipe", *source, "cmd=stats name nGood nBad")
            rows = run(*stilts, "tpipe", f"in={folder / f'{table}.{name}'}", f"ifmt={form}", "omode=count")
            say(f"{name:8s}{rows.strip()}")
            assert f"rows: {N_STARS}" in rows, rows
        # STIL counts blank text of FITS as null, as it is written.
        assert len(set(told.values())) == 1, told
        head = run(
            *stilts,
            "tpipe",
            f"in={folder / f'{table}.fits'}",
            "cmd=head 3",
            "cmd=keepcols 'sourceid teff flag_boundary'",
            "ofmt=ascii",
        )
        say(head.rstrip())
        meta = run(
            *stilts, "tpipe", f"in={folder / f'{table}.fits'}", "ifmt=fits-plus", "cmd=meta name units ucd", "ofmt=csv"
        )
        assert "teff,K,phys.temperature.effective" in meta, meta
        found = run(*stilts, "votlint", f"votable={folder / f'{table}.vot'}")
        assert found == "", found
        say("votlint: nothing to say")


def ask_astropy(folder: Path) -> None:
    """Let astropy and pyarrow read what is left."""
    import warnings

    import pyarrow.dataset as pds
    from astropy.io import ascii as tables
    from astropy.table import Table

    from catalog.publish.export import TABLES as TABLE_INFOS

    # astropy has no unit log(cm.s**-2), and says so.
    warnings.simplefilter("ignore")
    for table in TABLES:
        cds = tables.read(folder / "cds" / f"{table}.dat", readme=folder / "cds" / "ReadMe", format="cds")
        hats = pds.parquet_dataset(folder / f"{table}_hats" / table / "dataset" / "_metadata")
        info = TABLE_INFOS[table]
        assert tuple(cds.colnames) == info.column_names
        wide = Table.read(folder / f"{table}.parquet", format="parquet.votable")
        assert len(wide) == N_STARS
        assert len(Table.read(folder / f"{table}.ecsv", format="ascii.ecsv")) == N_STARS
        say(f"{table}: cds {len(cds)} rows of {len(cds.colnames)} columns; hats {hats.count_rows()} rows by pyarrow")
        assert len(cds) == hats.count_rows() == N_STARS
        assert str(cds["teff"].unit) == "K"


def ask_lsdb(folder: Path, environment: Path) -> None:
    """Let LSDB read and cross-match the partitions."""
    python = os.environ.get("RVSCAT_LSDB_PYTHON")
    if python is None:
        say("installing LSDB ...")
        venv.create(environment, with_pip=True)
        python = str(environment / "bin" / "python")
        run(python, "-m", "pip", "install", "--quiet", "lsdb", "scipy")
    for table in TABLES:
        answer = run(python, "-c", LSDB, str(folder / f"{table}_hats"), str(N_STARS))
        say(f"lsdb, {table}: {answer.splitlines()[-1]}")


def main(stilts: str) -> None:
    """Export, and let everybody read."""
    with tempfile.TemporaryDirectory(prefix="rvscat-exports-") as name:
        folder = Path(name)
        export(folder)
        os.chdir(folder / "files")
        run("sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS")
        say("checksums hold")
        ask_astropy(folder / "files")
        ask_stilts(shlex.split(stilts), folder / "files")
        ask_lsdb(folder / "files", folder / "lsdb")
    say("Everything was read as it was written.")


if __name__ == "__main__":
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("stilts") or ""
    if not program:
        sys.exit("There is no stilts on the path: give it as an argument.")
    main(program)
