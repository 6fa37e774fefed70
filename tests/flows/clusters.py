"""A Dask cluster of this machine, with processes that can be killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Cluster", "start_cluster"]

_CLUSTER = """
import sys
from distributed import LocalCluster
n = int(sys.argv[1])
with LocalCluster(n_workers=n, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0") as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Cluster:
    """Where its scheduler is."""

    address: str

    def workers(self) -> list[int]:
        """Return the processes of its workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(1)
            # One that was just killed may still be on the scheduler's list.
            return sorted(client.run(os.getpid, on_error="ignore").values())


@contextmanager
def start_cluster(n_workers: int) -> Iterator[Cluster]:
    """Start workers of one thread each, with the environment of this process; ended afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER, str(n_workers)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Cluster(process.stdout.readline().strip())
    finally:
        process.communicate()
