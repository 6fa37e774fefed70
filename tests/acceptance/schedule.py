"""A schedule that fires: a Prefect server, a worker, deployments, and new rows in a catalogue that nobody watched.

Everything is its own and gone afterwards: home, PostgreSQL, Prefect server, worker. Survey files are those of a small
synthetic sky, laid out as a release; one file of spectra arrives later. The table at the end shows what was due, what
ran, how it ended, and what is published. Takes some ten minutes, most of them waiting for minutes of the clock.

    python tests/acceptance/schedule.py [--keep]
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from rich.console import Console
from rich.table import Table

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1500.0
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Site:
    """A machine that makes catalogues by itself."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.api = f"http://127.0.0.1:{self.port}/api"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("RVSCAT_", "PREFECT_"))}
        self.environment = {
            **clean,
            "RVSCAT_HOME": str(home / "rvscat"),
            "RVSCAT_WORKERS": "2",
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }
        (home / "prefect").mkdir(parents=True)
        self.profile = home / "small.toml"
        self.surveys = home / "rvscat" / "surveys" / "dr3"

    def rvscat(self, *arguments: str) -> str:
        """Run a command of rvscat and return what it says."""
        done = subprocess.run([BIN / "rvscat", *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"rvscat {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def process(self, name: str, *command: str) -> Iterator[None]:
        """Keep a program of Prefect's running; what it says goes to a file."""
        with (self.home / f"{name}.log").open("a") as log:
            running = subprocess.Popen(
                [BIN / "prefect", *command],
                env=self.environment, stdout=log, stderr=log, start_new_session=True, cwd=self.home,
            )  # fmt: skip
            try:
                yield
            finally:
                os.killpg(running.pid, signal.SIGTERM)
                try:
                    running.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait()

    def ask(self, what: str) -> list[dict[str, Any]]:
        """Ask Prefect's server for all of something."""
        return requests.post(f"{self.api}/{what}/filter", json={}, timeout=60).json()

    def runs(self) -> list[dict[str, Any]]:
        """Flow runs of deployments that were due by now, oldest first."""
        names = {each["id"]: each for each in self.ask("deployments")}
        now = datetime.now(UTC).isoformat()
        found = [
            {**run, "due": run["expected_start_time"], "kind": names[run["deployment_id"]]["tags"][1]}
            for run in self.ask("flow_runs")
            if run["deployment_id"] and (run["start_time"] or run["expected_start_time"] <= now)
        ]
        return sorted(found, key=lambda run: run["due"])

    def published(self) -> list[tuple[Any, ...]]:
        """Versions, their rows and the runs that they come from."""
        query = "SELECT version, run_id, n_rows, published_at FROM production.publication ORDER BY version"
        url = self.rvscat("db", "url").strip()
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchall()

    def fingerprint(self, stars: str) -> Any:
        """Return a checksum of the published rows of some stars."""
        query = (
            f"SELECT md5(string_agg(r::text, '' ORDER BY sourceid)) FROM catalogue.rvs_cnn r WHERE sourceid IN {stars}"
        )
        with psycopg.connect(self.rvscat("db", "url").strip()) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None


def lay_out_surveys(site: Site) -> Path:
    """Write a synthetic sky as files of a release, all but one file of spectra; return where that one waits."""
    site.rvscat("mock", "--profile", "tiny")
    (written,) = site.surveys.parent.iterdir()
    shutil.rmtree(written / "mock_truth", ignore_errors=True)
    written.rename(site.surveys)
    text = (ROOT / "catalog" / "profiles" / "tiny.toml").read_text()
    before, _, after = text.partition("[mock]")
    site.profile.write_text(before + after[after.index("[training]") :])
    folder = site.surveys / "rvs_mean_spectrum"
    held = sorted(folder.glob("RvsMeanSpectrum_*.csv.gz"))[-1]
    return held.rename(site.home / held.name)


def in_minutes(minutes: int = 1) -> tuple[datetime, str]:
    """Return a minute ahead that is still some seconds away, and its cron expression (UTC)."""
    due = (datetime.now(UTC) + timedelta(seconds=20)).replace(second=0, microsecond=0) + timedelta(minutes=minutes)
    return due, f"{due.minute} {due.hour} * * *"


def wait(site: Site, what: str, reached: Callable[[], bool]) -> None:
    """Wait until something has come about."""
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            logs = "".join(log.read_text()[-3000:] for log in site.home.glob("*.log"))
            raise SystemExit(f"Waited {PATIENCE:.0f} s for {what}, in vain.\n{logs}")
        time.sleep(2)


def fire(site: Site, console: Console, kind: str) -> dict[str, Any]:
    """Give one deployment a schedule a minute ahead, switch it on, and wait for its flow run to end."""
    due, cron = in_minutes()
    site.rvscat("deploy", kind, "--profile", str(site.profile), "--cron", f"{kind}={cron}", "--on", kind)
    console.print(f"{datetime.now(UTC):%H:%M:%S}  {kind} is due at {due:%H:%M}")

    def of_it() -> list[dict[str, Any]]:
        return [run for run in site.runs() if run["kind"] == kind and run["due"] >= due.isoformat()]

    wait(site, f"the flow run of {kind}", lambda: any(run["state_type"] in ENDED for run in of_it()))
    site.rvscat("deploy", kind, "--profile", str(site.profile), "--off", kind)
    (run,) = of_it()
    console.print(f"{datetime.now(UTC):%H:%M:%S}  {run['name']}: {run['state_name']}. {run['state']['message']}")
    return run


def main() -> None:
    """Let schedules fire, and look at what they left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="Keep the home afterwards.")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # everything is ended then, too
    console = Console(width=150, highlight=False)
    home = Path(tempfile.mkdtemp(prefix="rvscat-schedule-"))
    home.chmod(0o711)
    site, failures = Site(home), []
    try:
        with ExitStack() as stack:
            stack.enter_context(
                site.process("server", "server", "start", "--host", "127.0.0.1", "--port", str(site.port))
            )
            stack.callback(site.rvscat, "db", "stop")
            held = lay_out_surveys(site)
            wait(site, "Prefect's server", lambda: _answers(site))
            console.print(site.rvscat("deploy", "--profile", str(site.profile)))
            worker = ("worker", "worker", "start", "--pool", "rvscat", "--type", "process", "--limit", "1")
            with site.process(*worker):
                failures += _expect(fire(site, console, "ingest"), "Completed")
                failures += _expect(fire(site, console, "production"), "Completed")
                first = site.published()
                if len(first) != 1 or not first[0][2]:
                    failures.append(f"one version with rows was expected after production, not {first}")
                stars = "(SELECT sourceid FROM catalogue.rvs_cnn_v1)"
                before = site.fingerprint(stars)
                failures += _expect(fire(site, console, "nightly"), "Nothing new")
                held.rename(site.surveys / "rvs_mean_spectrum" / held.name)
                console.print(f"{datetime.now(UTC):%H:%M:%S}  {held.name} arrives")
                failures += _expect(fire(site, console, "nightly"), "Completed")
                second = site.published()
                if len(second) != 2 or second[1][2] <= second[0][2]:
                    failures.append(f"a second version with more rows was expected, not {second}")
                if site.fingerprint(stars) != before:
                    failures.append("rows of the first version have changed in the second")
            failures += _late(site, console, worker)
            _show(site, console)
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
    for failure in failures:
        console.print(f"FAILED: {failure}", style="red")
    if not failures:
        console.print("Schedules fired, and the catalogue has the new rows.")
    sys.exit(bool(failures))


def _answers(site: Site) -> bool:
    try:
        return requests.get(f"{site.api}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _expect(run: dict[str, Any], state: str) -> list[str]:
    return [] if run["state_name"] == state else [f"{run['name']} ended as {run['state_name']}, not {state}"]


def _late(site: Site, console: Console, worker: tuple[str, ...]) -> list[str]:
    """Let runs come due while no worker is there, and see what it does with them when it is back."""
    known = {run["id"] for run in site.runs()}
    site.rvscat("deploy", "nightly", "--profile", str(site.profile), "--cron", "nightly=* * * * *", "--on", "nightly")
    console.print(f"{datetime.now(UTC):%H:%M:%S}  the worker is down; nightly is due every minute")

    def new() -> list[dict[str, Any]]:
        return [run for run in site.runs() if run["id"] not in known]

    wait(site, "two late runs", lambda: len(new()) >= 2)
    # Runs that are late stay when a schedule is switched off.
    site.rvscat("deploy", "nightly", "--profile", str(site.profile), "--off", "nightly")
    with site.process(*worker):
        console.print(f"{datetime.now(UTC):%H:%M:%S}  the worker is back; {len(new())} runs are late")
        wait(site, "the late runs", lambda: all(run["state_type"] in ENDED for run in new()))
    return [failure for run in new() for failure in _expect(run, "Nothing new")]


def _show(site: Site, console: Console) -> None:
    table = Table("due", "began", "ended", "flow run", "state", "message", box=None)
    for run in site.runs():
        times = (run["due"], run["start_time"], run["end_time"])
        told = [datetime.fromisoformat(each).strftime("%H:%M:%S") if each else "–" for each in times]
        table.add_row(*told, run["name"], run["state_name"], run["state"]["message"])
    console.print(table)
    versions = Table("version", "run", "rows", "published", box=None)
    for version, run_id, n_rows, published in site.published():
        versions.add_row(str(version), str(run_id), f"{n_rows:,}", f"{published.astimezone(UTC):%H:%M:%S}")
    console.print(versions)


if __name__ == "__main__":
    main()
