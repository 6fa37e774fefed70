"""What the benchmarks share: a database of their own, and times of this process and of its server."""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from catalog.database import migrate
from catalog.settings import Settings
from tests.databases import database as new_database


@dataclass
class Cost:
    """What some work cost."""

    wall_s: float
    client_s: float
    """CPU of this process."""
    server_s: float = 0.0
    """CPU of the database's process."""


def measure(work: Callable[[], object], repeats: int = 3, connection: psycopg.Connection | None = None) -> Cost:
    """Return the cost of the repeat with the least wall time."""
    costs = []
    for _ in range(repeats):
        server = _server_cpu(connection)
        wall, client = time.perf_counter(), time.process_time()
        work()
        costs.append(Cost(time.perf_counter() - wall, time.process_time() - client, _server_cpu(connection) - server))
    return min(costs, key=lambda cost: cost.wall_s)


def _server_cpu(connection: psycopg.Connection | None) -> float:
    """CPU seconds of the server process behind a connection; 0 where it is on another machine."""
    file = Path(f"/proc/{connection.info.backend_pid}/stat") if connection is not None else None
    if file is None or not file.exists():
        return 0.0
    fields = file.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mb() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def database() -> Iterator[Settings]:
    """Settings with a temporary home and a migrated database in RVSCAT_DATABASE_URL's server, or an embedded one."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        server = os.environ.get("RVSCAT_DATABASE_URL")
        if server is None:
            from catalog.database.embedded import ensure_server, remove_server

            server = ensure_server(settings)
        try:
            with new_database(server) as url:
                migrate.upgrade(url)
                yield settings.model_copy(update={"database_url": url})
        finally:
            if "RVSCAT_DATABASE_URL" not in os.environ:
                remove_server(settings)
