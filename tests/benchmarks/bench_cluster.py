"""Training against the number of a Dask cluster's workers, beside the same training without a cluster.

Run by hand: ``python tests/benchmarks/bench_cluster.py``. The cluster is one of this machine: workers of one thread
each, so that there is nothing to gain from more of them than there are cores. Each line trains the same members for the
same epochs with the paper's network, from the start of the flow to the last file; CPU time is that of all programs of
the machine, so it should have nothing else to do. The first line of a cluster includes the start of Prefect's server.
On a cluster each member has a process of its own, which compiles for itself; without one, a process trains several.
Weights must be the same in every line.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from catalog.ensemble.training.elsewhere import TrainedElsewhere
from catalog.ensemble.training.outcome import MemberOutcome
from catalog.ensemble.training.pool import train_members
from catalog.ensemble.training.splits import MemberPlan
from catalog.ensemble.training.task import Task, member_files
from catalog.profiles.model import NetworkSettings, TrainingSettings
from catalog.settings import Settings
from catalog.tasks import task_runner
from flows.distribution import distributed
from flows.environment import prepare
from tests.benchmarks.bench_train import busy_seconds, sample
from tests.flows.clusters import start_cluster


@dataclass
class Line:
    """What a training took."""

    title: str
    wall_s: float
    busy_s: float
    """CPU seconds of all programs of the machine meanwhile."""
    weights: tuple[str, ...]


def timed(title: str, task: Callable[[Path], Task], plans: Sequence[MemberPlan], train: Callable[[Path], Any]) -> Line:
    """Train all members in a folder of their own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        task(folder).save()
        wall, busy = time.perf_counter(), busy_seconds()
        train(folder)
        line = Line(title, time.perf_counter() - wall, busy_seconds() - busy, ())
        files = [member_files(folder / "members", plan.member)[1] for plan in plans]
        line.weights = tuple(MemberOutcome.model_validate_json(file.read_text()).weights_sha256 for file in files)
    return line


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=1024)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores; " + ", ".join(f"{name} {version(name)}" for name in ("keras", "distributed", "prefect")))
    arrays = sample(arguments.stars)
    training = TrainingSettings(splits=1, max_epochs=arguments.epochs)
    plans = [MemberPlan(i, 0, i) for i in range(arguments.members)]

    def task(folder: Path) -> Task:
        return Task(folder, arrays, NetworkSettings(), training, "bench")

    def unheard(_: dict[str, Any]) -> None:
        pass

    lines = [
        timed(f"no cluster, {n} at a time", task, plans, lambda folder, n=n: train_members(folder, plans, n, unheard))
        for n in range(1, cores + 1)
    ]
    with tempfile.TemporaryDirectory() as home:
        prepare(Settings(home=Path(home)))
        for n_workers in arguments.workers:
            with start_cluster(n_workers) as cluster:
                settings = Settings(home=Path(home), task_runner="dask", dask_address=cluster.address)
                with distributed(settings):
                    runner = task_runner(settings)
                    assert runner is not None
                    elsewhere = TrainedElsewhere(runner)
                    title = f"Dask, {n_workers} worker{'s' * (n_workers > 1)} of 1 thread"
                    lines.append(timed(title, task, plans, lambda folder, do=elsewhere: do(folder, plans, 1, unheard)))
    done = arguments.members * arguments.stars * arguments.epochs
    print(f"\n{arguments.members} members, {arguments.epochs} epochs of {arguments.stars} stars")
    print(f"{'':32} {'wall s':>8} {'CPU s':>8} {'stars/s':>9} {'speed':>7}")
    for line in lines:
        print(
            f"{line.title:32} {line.wall_s:8.1f} {line.busy_s:8.1f} {done / line.wall_s:9.0f} "
            f"{lines[0].wall_s / line.wall_s:6.2f} x"
        )
    same = len({line.weights for line in lines}) == 1
    print("The weights are the same in every line." if same else "THE WEIGHTS DIFFER.")
    print(f"Peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
