"""What prune removes and what it leaves, also when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from catalog.cli.main import cli
from catalog.database import ledger
from catalog.errors import ConfigurationError, DatabaseError
from catalog.operations.prune import Rules, plan_pruning, prune
from catalog.settings import Settings
from tests.operations.conftest import Past


def seed(past: Past) -> dict[str, list[int]]:
    """Seven runs: a published one on another's ensemble and maps, an extension of a base, and three that can go."""
    trainer = past.run("complete", days=40)
    past.ensemble(trainer, "needed", ())
    mapped = past.run("complete", days=39)
    past.maps(mapped, "needed")
    published = past.run("complete", days=38)
    past.connection.execute(
        "UPDATE production.run SET status = 'superseded' WHERE run_id IN (%s, %s)", (trainer, mapped)
    )
    number = past.connection.execute("SELECT ensemble_id FROM production.ensemble").fetchone()[0]
    past.connection.execute(
        f"INSERT INTO production.label SELECT %s, 'dr3', n, %s, 1{', 1' * 15} FROM generate_series(1, 9) AS n",
        (published, number),
    )
    past.connection.execute(
        "INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, n_training, n_observed, "
        "settings, reference) SELECT %s, 30, 1, 0.99, 1, 1, '{}', key FROM production.likeness_reference",
        (published,),
    )
    past.publish(published, 1)
    superseded = past.run("superseded", days=20)
    past.ensemble(superseded, "superseded", (superseded,))
    past.maps(superseded, "superseded", (superseded,))
    old = past.run("complete", days=10)
    past.ensemble(old, "old", (old,))
    child = past.run("superseded", base=old, days=9)
    base = past.run("complete", days=5)
    newest = past.run("complete", base=base, days=1)
    past.ensemble(base, "base", (base, newest))
    past.ensemble(None, "unpacked")
    return {"kept": [trainer, mapped, published, base, newest], "gone": [superseded, old, child]}


def test_published_runs_and_what_they_stand_on_stay(past: Past, settings: Settings) -> None:
    runs = seed(past)
    before = past.files()
    plan = plan_pruning(past.connection, settings, Rules())
    assert [each.run_id for each in plan.kept] == runs["kept"]
    words = {each.run_id: each.why for each in plan.kept}
    trainer, mapped, published, base, newest = runs["kept"]
    assert words[trainer] == f"trained the ensemble of run {published}"
    assert words[mapped] == f"made the likeness maps of run {published}"
    assert words[published] == "published as v1"
    assert words[base] == f"extended by run {newest}"
    assert past.files() == before
    prune(past.connection, settings, Rules())
    assert past.runs() == runs["kept"]
    assert sorted(past.count("sample_star")) == runs["kept"]
    assert sorted(past.count("label")) == [published, base, newest]
    keys = past.connection.execute("SELECT path FROM production.ensemble ORDER BY 1").fetchall()
    assert {Path(row[0]).name for row in keys} == {path.name for path in settings.ensembles.iterdir()}
    assert len(keys) == 3
    assert {path.name for path in settings.reports.iterdir()} == {f"run-{number}" for number in runs["kept"]}
    assert plan_pruning(past.connection, settings, Rules()).items == ()


def test_more_runs_and_young_ones_can_be_kept(past: Past, settings: Settings) -> None:
    runs = seed(past)
    superseded, old, _ = runs["gone"]
    third = plan_pruning(past.connection, settings, Rules(keep=3))
    assert old in [each.run_id for each in third.kept]
    young = plan_pruning(past.connection, settings, Rules(days=15))
    assert [item.number for item in young.items if item.kind == "run"] == [superseded]
    # Its ensemble was trained by a run that goes; a run that stays has labels by the other one.
    assert len([item for item in young.items if item.kind == "ensemble"]) == 1


def test_the_newest_complete_run_stays_beside_one_that_is_being_made(past: Past, settings: Settings) -> None:
    complete, begun = past.run("complete", days=3), past.run("open")
    assert [each.run_id for each in plan_pruning(past.connection, settings, Rules()).kept] == [complete, begun]


_HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_strays_go_and_what_is_in_use_or_linked_stays(past: Past, settings: Settings, tmp_path: Path) -> None:
    past.run("complete")
    old = time.time() - 3 * 86_400
    gone = [
        "ensembles/0123456789abcdef/a",
        "ensembles/.work-0123/member",
        "ensembles/0123456789abcde0.damaged/a",
        "reports/run-99/report.html",
        "exports/v9/rvs_cnn.fits",
        "likeness/.reference.partial/x",
        "surveys/dr3/gaia_source/a.csv.gz.part",
        "ensembles/.removing-0123/a",
        "prefect/storage/result",
    ]
    stay = ["ensembles/.work-held/member", "surveys/dr3/gaia_source/young.part", "surveys/dr3/a.csv.gz", "notes/mine"]
    for name in gone + stay:
        path = settings.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        if "young" not in name:
            os.utime(path, (old, old))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_text("x")
    (settings.ensembles / "fedcba9876543210").symlink_to(tmp_path / "elsewhere")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HOLD,
            str(settings.ensembles / ".work-held" / "training.lock"),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        plan = prune(past.connection, settings, Rules())
    finally:
        holder.kill()
        holder.communicate()
    assert all(item.kind == "files" for item in plan.items)
    assert [name for name in gone if (settings.home / name).exists()] == []
    assert [name for name in stay if not (settings.home / name).exists()] == []
    assert (tmp_path / "elsewhere" / "a").exists()


def test_nothing_goes_while_a_process_works_on_a_run(past: Past, settings: Settings) -> None:
    runs = seed(past)
    files = past.files()
    with psycopg.connect(settings.database_url or "") as other:
        run = ledger.find_run(other, runs["kept"][-1])
        with ledger.exclusive(other, run):
            plan = plan_pruning(past.connection, settings, Rules())
            assert any(f"run {run.run_id}" in note for note in plan.notes)
            with pytest.raises(DatabaseError, match="working on run"):
                prune(past.connection, settings, Rules())
    assert past.runs() == sorted(runs["kept"] + runs["gone"])
    assert past.files() == files


def test_a_database_without_runs_takes_no_files_with_it(connection: psycopg.Connection, settings: Settings) -> None:
    (settings.ensembles / "0123456789abcdef").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="do they belong together"):
        prune(connection, settings, Rules())
    assert (settings.ensembles / "0123456789abcdef").is_dir()


def test_nothing_outside_the_data_folder_goes(past: Past, settings: Settings, tmp_path: Path) -> None:
    gone = past.run("superseded")
    past.run("complete")
    past.maps(gone, "elsewhere")
    outside = tmp_path / "precious"
    outside.mkdir()
    past.connection.execute("UPDATE production.likeness_reference SET path = %s", (str(outside),))
    past.connection.commit()
    with pytest.raises(ConfigurationError, match="outside the data folder"):
        prune(past.connection, settings, Rules())
    assert outside.is_dir()
    assert gone in past.runs()


_KILLED = """
import os, signal, sys
import psycopg
from catalog.operations.prune import Rules, prune, removal
from catalog.settings import load_settings
removal._BATCH = 7
left = int(sys.argv[1])
def count(done, total, what=""):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
settings = load_settings()
with psycopg.connect(settings.database_url) as connection:
    prune(connection, settings, Rules(), count)
"""


@pytest.mark.parametrize("step", [1, 7])
def test_a_prune_that_was_killed_ends_the_same(step: int, past: Past, settings: Settings) -> None:
    runs = seed(past)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(step)], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert past.runs() != runs["kept"] or past.files() != set()
    prune(past.connection, settings, Rules())
    assert past.runs() == runs["kept"]
    assert {path.name for path in settings.reports.iterdir()} == {f"run-{number}" for number in runs["kept"]}
    assert plan_pruning(past.connection, settings, Rules()).items == ()
    assert [path for path in past.files() if ".removing" in path] == []


def test_a_run_that_is_being_removed_is_never_taken_for_a_whole_one(past: Past, settings: Settings) -> None:
    """Killed after its first rows, an older complete run has no stages and is superseded."""
    old, _ = past.run("complete", days=3), past.run("complete", days=2)
    killed = subprocess.run([sys.executable, "-c", _KILLED, "0"], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    row = past.connection.execute("SELECT status FROM production.run WHERE run_id = %s", (old,)).fetchone()
    assert row == ("superseded",)
    assert old not in past.count("stage")


def test_expired_jobs_go_with_their_files(past: Past, settings: Settings) -> None:
    past.run("complete")
    number = "a" * 32
    folder = settings.home / "service"
    for job, age in (("b" * 32, "-1 day"), ("c" * 32, "1 day")):
        (folder / "jobs" / job).mkdir(parents=True)
        past.connection.execute(
            "INSERT INTO service.job (job_id, service_id, client, execution_duration, destruction, parameters) "
            "VALUES (%s, %s, 'me', 1, now() + CAST(%s AS interval), %s)",
            (job, number, age, Jsonb([])),
        )
    past.connection.commit()
    (folder / "id").write_text(number)
    prune(past.connection, settings, Rules())
    assert [path.name for path in (folder / "jobs").iterdir()] == ["c" * 32]
    assert past.connection.execute("SELECT job_id FROM service.job").fetchall() == [("c" * 32,)]


def test_the_command_shows_first_and_removes_when_told(past: Past, settings: Settings) -> None:
    runs = seed(past)
    shown = CliRunner().invoke(cli, ["prune"])
    assert shown.exit_code == 0, shown.output
    assert "Nothing was removed" in shown.output
    assert "published as v1" in shown.output
    assert past.runs() == sorted(runs["kept"] + runs["gone"])
    removed = CliRunner().invoke(cli, ["prune", "--yes", "--json"])
    assert removed.exit_code == 0, removed.output
    told = json.loads(removed.output)
    assert told["removed"]
    assert told["bytes"] > 0
    assert {item["kind"] for item in told["items"]} == {"run", "ensemble", "maps"}
    assert past.runs() == runs["kept"]
    assert "Nothing to remove" in CliRunner().invoke(cli, ["prune"]).output


def test_files_of_a_retracted_version_go_and_its_run_stays(past: Past, settings: Settings) -> None:
    run_id, other = past.run("complete", days=3), past.run("complete", days=2)
    retracted, current = past.publish(run_id, 1), past.publish(other, 2)
    retracted.rename(retracted.with_name("v1.retracted"))
    prune(past.connection, settings, Rules())
    assert [path.name for path in settings.exports.iterdir()] == [current.name]
    assert past.runs() == [run_id, other]
