"""An update against a full run: time and memory of each stage when some of the survey files arrive late.

    .venv/bin/python tests/benchmarks/bench_update.py [--profile tiny] [--stars 600] [--files 20] [--new 0.05]

A synthetic sky in a home and a database of its own. A catalogue is made of all files but the last ones, which hold the
share `--new` of the stars; they are delivered, and the catalogue is updated. Then it is made as a whole, with an
ensemble of its own training sample. Seconds and megabytes are those of the ledger.
"""

import argparse

import psycopg
from measuring import database

from catalog import stages
from catalog.database import ledger
from catalog.database.connection import connect
from catalog.database.ledger import Run
from catalog.mock.sky import write_sky
from catalog.profiles import Profile, load_profile
from catalog.releases import load_release
from catalog.settings import Settings
from tests.update.working import perform_update


def full_run(connection: psycopg.Connection, settings: Settings, profile: Profile) -> Run:
    """Do all stages but the making of the sky; return the run, a successor if files have arrived."""
    run = ledger.open_run(connection, profile)
    for stage in stages.plan(profile)[1:]:
        run, _ = stages.run_stage(connection, run, stage.name, settings)
    ledger.finish_run(connection, run)
    return run


def told(connection: psycopg.Connection, run: Run, what: str) -> float:
    """Print a run's stages; return its seconds."""
    records = [record for record in ledger.stages(connection, run) if record.status == "complete"]
    total = sum(record.wall_s or 0.0 for record in records)
    n = connection.execute("SELECT count(*) FROM production.label WHERE run_id = %s", (run.run_id,)).fetchone()
    print(f"{what} (run {run.run_id}): {n[0] if n else 0} stars, {total:.1f} s")
    for record in records:
        print(f"  {record.name:<9}{record.wall_s:8.1f} s wall {record.cpu_s:8.1f} s CPU {record.peak_mb:8.0f} MB")
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--stars", type=int, default=600)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--new", type=float, default=0.05)
    arguments = parser.parse_args()
    chosen = load_profile(arguments.profile)
    assert chosen.mock is not None
    mock = chosen.mock.model_copy(update={"n_stars": arguments.stars, "n_files": arguments.files})
    profile = chosen.model_copy(update={"mock": mock})
    held_back = max(1, round(arguments.new * arguments.files))
    with database() as settings:
        surveys, aside = settings.surveys / profile.data_release, settings.home / "aside"
        write_sky(surveys, mock, load_release(profile.release))
        late = [
            path
            for product in load_release(profile.release).bulk_files
            for path in sorted((surveys / product).glob("*.csv.gz"))[-held_back:]
        ]
        for path in late:
            (aside / path.parent.name).mkdir(parents=True, exist_ok=True)
            path.rename(aside / path.parent.name / path.name)
        with connect(settings) as connection:
            told(connection, full_run(connection, settings, profile), "without the late files")
            for path in late:
                (aside / path.parent.name / path.name).rename(path)
            found, _ = perform_update(connection, settings, profile)
            assert found.run is not None
            update = told(connection, found.run, "update")
            full = told(connection, full_run(connection, settings, profile), "as a whole")
            print(f"the update took {update / full:.0%} of the full run's time")


if __name__ == "__main__":
    main()
