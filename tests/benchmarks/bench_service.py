"""Fifty clients at once against `rvscat serve`: who waits how long, is anybody starved, does anything fail.

    .venv/bin/python tests/benchmarks/bench_service.py [--stars 886080] [--seconds 60] [--clients 50] [--greedy 4]

The catalogue is that of `bench_validation.py`, published as `rvscat publish` does it, and served by a process of its
own with the default limits. Each client has an address of its own and asks again as soon as it has its answer: cones
and aggregates, one query at a time; a few greedy ones fetch the whole table, three times at once. Before that, on the
idle service: the page with its map of the sky, and how soon a large answer begins. Seconds include everything between
asking and the last byte; clients and database share this machine's processors with the service, whose own CPU time is
told as well.
"""

import argparse
import asyncio
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg
from bench_validation import CATALOGUE, fill
from measuring import database

from catalog.database.ledger import open_run
from catalog.profiles import load_profile
from catalog.publish.tables import create_tables, fill_tables, switch_views
from catalog.publish.tap_schema import write_tap_schema

FORMATS = ("votable", "votable/td", "csv", "tsv", "json", "parquet", "fits")
AGGREGATES = (
    "SELECT FLOOR(teff / 100) * 100 AS t, FLOOR(logg / 0.1) * 0.1 AS g, COUNT(*) AS n FROM rvs_cnn GROUP BY t, g",
    "SELECT flag_boundary, COUNT(*) AS n, AVG(mh) AS mh FROM rvs_cnn GROUP BY flag_boundary",
    "SELECT rvscat_healpix(4, source_id) AS hpx, COUNT(*) AS n FROM rvs_cnn_extended GROUP BY hpx",
)
EXPORT = "SELECT * FROM rvs_cnn"
AT_ONCE = 3


@dataclass
class Client:
    """One client and what it met."""

    number: int
    kind: str
    seconds: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)
    n_bytes: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where its queries seem to come from."""
        return f"10.1.0.{self.number}"

    def query(self, rng: random.Random) -> tuple[str, str]:
        """Return a query and the format of its answer."""
        if self.kind == "cone":
            ra, dec, radius = rng.uniform(0, 360), rng.uniform(-80, 80), rng.choice((0.5, 1, 3))
            return (
                f"SELECT * FROM rvs_cnn_extended WHERE DISTANCE(POINT(ra, dec), POINT({ra}, {dec})) < {radius}",
                "votable",
            )
        return (rng.choice(AGGREGATES), "csv") if self.kind == "aggregate" else (EXPORT, rng.choice(("votable", "csv")))


def publish(url: str, stars: int) -> None:
    """Fill and publish the catalogue."""
    with psycopg.connect(url) as connection:
        run = open_run(connection, load_profile("paper"))
        fill(connection, run, stars, truth=False)
        create_tables(connection, 1)
        fill_tables(connection, 1, run.run_id)
        switch_views(connection, 1)
        write_tap_schema(connection)
        connection.commit()
        connection.autocommit = True
        connection.execute("CHECKPOINT")


@contextmanager
def served(url: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run `rvscat serve` on a free port."""
    with tempfile.TemporaryDirectory() as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {**os.environ, "RVSCAT_DATABASE_URL": url, "RVSCAT_HOME": home}
        command = [sys.executable, "-c", "from catalog.cli import main; main()", "serve", "--port", str(port)]
        log = Path(home) / "log"
        with log.open("w") as file:
            process = subprocess.Popen([*command, "--quiet"], env=environment, stdout=file, stderr=file)
        address = f"http://127.0.0.1:{port}"
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    httpx.get(f"{address}/tap/availability", timeout=10)
                    break
                except httpx.TransportError as error:
                    if process.poll() is not None or time.monotonic() > end:
                        raise RuntimeError(f"The service does not start: {log.read_text()}") from error
                    time.sleep(0.2)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)
            if text := log.read_text().strip():
                print(f"\nThe service's log:\n{text}")


def alone(address: str, stars: int) -> None:
    """Ask the idle service: the page, and the whole table in each format."""
    for words in ("page, the first time", "page again"):
        began = time.perf_counter()
        text = httpx.get(address, timeout=60).text
        print(f"{words:24s}{time.perf_counter() - began:8.3f} s{'' if f'>{stars:,}<' in text else '  WITHOUT COUNTS'}")
    print(f"\n{'whole table, alone':24s}{'first byte':>12s}{'all':>10s}{'MB':>8s}")
    for name in FORMATS:
        began = time.perf_counter()
        first, n_bytes = 0.0, 0
        form = {"LANG": "ADQL", "QUERY": EXPORT, "RESPONSEFORMAT": name}
        with httpx.stream("POST", f"{address}/tap/sync", data=form, timeout=300) as answer:
            for data in answer.iter_raw():
                first = first or time.perf_counter() - began
                n_bytes += len(data)
        print(f"{name:24s}{first:10.3f} s{time.perf_counter() - began:8.2f} s{n_bytes / 1e6:8.1f}")


async def ask(client: Client, http: httpx.AsyncClient, rng: random.Random, end: float) -> None:
    """Ask until `end`, and hear the last answer out."""
    while time.perf_counter() < end:
        query, name = client.query(rng)
        form = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": name}
        began = time.perf_counter()
        first = None
        tail = b""
        try:
            headers = {"X-Forwarded-For": client.address}
            async with http.stream("POST", "/tap/sync", data=form, headers=headers) as answer:
                async for data in answer.aiter_raw():
                    first = first or time.perf_counter() - began
                    client.n_bytes += len(data)
                    tail = (tail + data)[-2000:]
            if answer.status_code != 200 or b'value="ERROR"' in tail:
                words = re.sub(r"<[^>]+>|\s+", " ", tail.decode(errors="replace")).strip()
                client.errors.append(f"{answer.status_code} after {time.perf_counter() - began:.1f} s: {words[:200]}")
                continue
        except httpx.HTTPError as error:
            client.errors.append(f"{type(error).__name__} after {time.perf_counter() - began:.1f} s: {error}")
            continue
        client.seconds.append(time.perf_counter() - began)
        client.first_byte.append(first or 0.0)


async def crowd(address: str, clients: list[Client], seconds: float) -> float:
    """Let all clients ask at once; return how long the last answer took to come."""
    began = time.perf_counter()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=limits) as http:
        await asyncio.gather(
            *(
                ask(client, http, random.Random(1000 * client.number + i), began + seconds)
                for client in clients
                for i in range(AT_ONCE if client.kind == "export" else 1)
            )
        )
    return time.perf_counter() - began


def report(clients: list[Client], took: float, brief: bool) -> int:
    """Print what each client met, and in one line each kind; return how many were starved or met an error."""
    head = f"{'':18s}{'answers':>8s}{'errors':>8s}{'min':>9s}{'median':>9s}{'max':>9s}{'1st byte':>10s}{'MB':>9s}"
    print(f"\n{len(clients)} clients at once, {took:.0f} s\n{head}")
    for client in [] if brief else clients:
        print(_line(f"{client.kind} {client.number}", [client]))
    for kind in dict.fromkeys(client.kind for client in clients):
        same = [client for client in clients if client.kind == kind]
        medians = [statistics.median(client.seconds) for client in same if client.seconds]
        fewest = min(len(client.seconds) for client in same)
        print(_line(f"all {len(same)} {kind}", same))
        if medians:
            spread = f"{min(medians):.2f} to {max(medians):.2f} s"
            print(f"{'':18s}medians of single clients {spread}; fewest answers to one client {fewest}")
    starved = [client for client in clients if not client.seconds]
    wrong = [client for client in clients if client.errors]
    print(f"starved: {len(starved)}; clients with errors: {len(wrong)}")
    for client in wrong[:10]:
        print(f"  {client.kind} {client.number}: {client.errors[0]}")
    return len(starved) + len(wrong)


def _line(name: str, clients: list[Client]) -> str:
    seconds = [each for client in clients for each in client.seconds]
    first = [each for client in clients for each in client.first_byte]
    times = [min(seconds), statistics.median(seconds), max(seconds), statistics.median(first)] if seconds else []
    cells = "".join(f"{each:{width}.3f}" for each, width in zip(times, (9, 9, 9, 10), strict=False))
    n_errors = sum(len(client.errors) for client in clients)
    n_bytes = sum(client.n_bytes for client in clients) / 1e6
    return f"{name:18s}{len(seconds):8d}{n_errors:8d}{cells:37s}{n_bytes:9.1f}"


def main() -> int:
    """Publish, serve, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=CATALOGUE)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--greedy", type=int, default=4)
    parser.add_argument("--brief", action="store_true", help="kinds of clients, not each one")
    arguments = parser.parse_args()
    others = arguments.clients - arguments.greedy
    n_aggregates = max(1, others // 5)
    kinds = ["cone"] * (others - n_aggregates) + ["aggregate"] * n_aggregates + ["export"] * arguments.greedy
    clients = [Client(number, kind) for number, kind in enumerate(kinds, start=1)]
    with database() as settings:
        began = time.perf_counter()
        url = settings.database_url or ""
        publish(url, arguments.stars)
        print(f"{arguments.stars:,} stars published in {time.perf_counter() - began:.0f} s\n")
        with served(url) as (address, process):
            alone(address, arguments.stars)
            before = process.cpu_times()
            took = asyncio.run(crowd(address, clients, arguments.seconds))
            bad = report(clients, took, arguments.brief)
            now, n_answers = process.cpu_times(), sum(len(client.seconds) for client in clients)
            cpu = now.user + now.system - before.user - before.system
            print(f"CPU time of the service: {cpu:.1f} s, {1000 * cpu / max(1, n_answers):.0f} ms an answer")
            peak = getattr(process.memory_info(), "rss", 0) / 1e6
            print(f"memory of the service afterwards: {peak:.0f} MB")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
