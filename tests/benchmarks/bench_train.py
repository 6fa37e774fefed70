"""Speed and quality of training against plain ``model.fit(batch_size=64)``, on this machine.

Run by hand: ``python tests/benchmarks/bench_train.py``. Every way to train runs in processes of its own, which take
turns: an epoch of one, an epoch of the next, again and again. Figures are ratios within one run; CPU and wall time
both, and the best round, since a busy machine only ever makes them worse. An epoch includes the validation stars.

*fit* is what a user would write: the network as the paper draws it, with the activation before pooling, all cores, the
input pipeline's autotuning switched off (it stalls between epochs) and, for comparison, left on. *rvscat* is what
`rvscat train` does: a process a core, each with one thread, each its own members, the convolution blocks by compiled
kernels or, to compare, by Keras's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import CheckpointKeeper
from catalog.ensemble.training.session import TrainingSession
from catalog.profiles.model import NetworkSettings, TrainingSettings

SIZES = (2401, 4, 110, 5)
PAPER_MEMBERS, PAPER_STARS, PAPER_EPOCHS = 28, 44_780, 80
BATCH = 64


def sample(n: int) -> TrainingArrays:
    """Return stars whose labels lie in their lines, a quarter of them for validation."""
    rng = np.random.default_rng(0)
    n_pixels, n_scalars, n_xp, n_labels = SIZES
    labels = rng.random((n, n_labels), dtype=np.float32)
    pixel = np.arange(n_pixels)
    flux = 1.0 + rng.normal(0.0, 0.01, (n, n_pixels))
    for i, centre in enumerate(np.linspace(60, n_pixels - 60, 40)):
        depth = 0.1 + 0.5 * labels[:, i % n_labels, None]
        flux -= depth * np.exp(-0.5 * ((pixel - centre) / (4.0 + i % 3)) ** 2)
    validation = np.zeros((1, n), dtype=bool)
    validation[0, ::4] = True
    scalars, xp = (rng.random((n, size), dtype=np.float32) for size in (n_scalars, n_xp))
    return TrainingArrays(flux.astype(np.float32), scalars, xp, labels, validation)


def plain_network() -> Any:
    """Return the network as the paper draws it: every activation right after its layer."""
    import keras
    from keras import layers

    settings = NetworkSettings()

    def dense(x: Any, units: int, dropout: bool = True) -> Any:
        x = layers.LeakyReLU(negative_slope=settings.leaky_slope)(layers.Dense(units)(x))
        return layers.Dropout(settings.dropout)(x) if dropout else x

    inputs = [keras.Input((size,)) for size in SIZES[:3]]
    x = layers.Reshape((SIZES[0], 1))(inputs[0])
    for block, filters in enumerate(settings.filters, start=1):
        penalty = keras.regularizers.L2(settings.kernel_l2)
        x = layers.Conv1D(filters, settings.kernel_size, kernel_regularizer=penalty)(x)
        x = layers.LeakyReLU(negative_slope=settings.leaky_slope)(x)
        x = layers.MaxPooling1D(settings.pool_size)(x) if block in settings.pool_after else x
    x = dense(layers.Flatten()(layers.Dropout(settings.dropout)(x)), settings.spectrum_units)
    parts = [x, dense(inputs[1], settings.scalar_units), dense(inputs[2], settings.xp_units)]
    x = dense(layers.Concatenate()(parts), settings.dense_units[0])
    x = dense(x, settings.dense_units[1], dropout=False)
    return keras.Model(inputs, layers.Dense(SIZES[3])(x))


def pipeline(inputs: Sequence[np.ndarray], labels: np.ndarray, shuffle: bool) -> Any:
    """Return the input pipeline that model.fit makes of arrays, without its autotuning."""
    import tensorflow as tf
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    options = tf.data.Options()
    options.autotune.enabled = False
    adapter = ArrayDataAdapter(list(inputs), labels, batch_size=BATCH, shuffle=shuffle)
    # Where the number of batches is unknown, Keras 3.15 averages its figures over one batch too many.
    counted = tf.data.experimental.assert_cardinality(adapter.num_batches)
    return adapter.get_tf_dataset().apply(counted).with_options(options)


def fit_epochs(arrays: TrainingArrays, seed: int, autotune: bool) -> Callable[[], float]:
    """Return a function that does one epoch of model.fit with validation and returns the validation MSE."""
    import keras

    keras.utils.set_random_seed(seed)
    model = plain_network()
    model.compile(optimizer=keras.optimizers.Adam(TrainingSettings().learning_rate), loss="mse", metrics=["mse"])
    held = arrays.validation[0]
    train, validation = ((arrays.inputs(rows), arrays.labels[rows]) for rows in (~held, held))

    def epoch() -> float:
        if autotune:
            fitted = model.fit(*train, batch_size=BATCH, verbose=0, validation_data=validation)
        else:
            fitted = model.fit(pipeline(*train, True), verbose=0, validation_data=pipeline(*validation, False))
        return float(fitted.history["val_mse"][0])

    return epoch


def session_epochs(arrays: TrainingArrays, seed: int, kernels: str = "auto") -> Callable[[], float]:
    """Return a function that does one epoch as `rvscat train` does."""
    patience = {"early_stopping_patience": 10**6, "plateau_patience": 10**6}
    settings = TrainingSettings.model_validate({"max_epochs": 10**6, "kernels": kernels, **patience})
    session = TrainingSession(arrays, 0, seed, NetworkSettings(), settings)
    return lambda: session.epoch()["val_mse"]


def serve(what: str, folder: Path, seed: int, threads: int) -> None:
    """Do one epoch for each line that comes in; answer with CPU and wall seconds and the validation MSE."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    start_keras(threads)
    arrays = TrainingArrays.open(folder)
    if what.startswith("rvscat"):
        epoch = session_epochs(arrays, seed, "keras" if what == "rvscat keras" else "auto")
    else:
        epoch = fit_epochs(arrays, seed, what == "fit autotuned")
    with quiet():
        epoch()  # traced and compiled
        answers.write("ready\n")
        for _ in sys.stdin:
            cpu, wall = time.process_time(), time.perf_counter()
            mse = epoch()
            figures = [time.process_time() - cpu, time.perf_counter() - wall, mse]
            answers.write(json.dumps(figures) + "\n")


def busy_seconds() -> float:
    """Return the CPU seconds that all programs of this machine have used."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


@dataclass
class Way:
    """A way to train: processes that do it, and what they needed in each round."""

    title: str
    what: str
    processes: int
    threads: int
    backend: str = "tensorflow"
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    mse: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """Share of all cores that other programs took in each round."""

    def start(self, folder: Path) -> None:
        """Start the processes and wait until they are compiled."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(self.threads))
        environment = {**os.environ, **threads, "KERAS_BACKEND": self.backend, "TF_NUM_INTEROP_THREADS": "1"}
        for seed in range(self.processes):
            arguments = [sys.executable, __file__, "--serve", self.what, str(folder), str(seed), str(self.threads)]
            process = subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self.running.append(process)
            if self._answer(self.running[-1]) != "ready\n":
                raise SystemExit(f"{self.title}: the process could not be started")

    def round(self, n: int) -> None:
        """Let all processes do an epoch of `n` stars at once."""
        begin, busy = time.perf_counter(), busy_seconds()
        for process in self.running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [json.loads(self._answer(process)) for process in self.running]
        wall, cpu = time.perf_counter() - begin, sum(answer[0] for answer in answers)
        self.wall.append(wall / (n * self.processes))
        self.cpu.append(cpu / (n * self.processes))
        self.others.append(max(0.0, busy_seconds() - busy - cpu) / (wall * psutil.cpu_count()))
        self.mse.append(answers[0][2])

    def end(self) -> None:
        """End the processes."""
        for process in self.running:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()


def bench_turns(ways: list[Way], folder: Path, n: int, rounds: int) -> None:
    """Let the ways take turns and print how they compare with the first."""
    for way in ways:
        way.start(folder)
    for _ in range(rounds):
        for way in ways:
            way.round(n)
    for way in ways:
        way.end()
    print(f"\nAn epoch of {n} stars, a quarter of them for validation; per star and member, best of {rounds} rounds")
    titles = ("CPU ms", "wall ms", "median", "stars/s", "CPU", "wall", "median", "others")
    print(f"{'':44} " + " ".join(f"{title:>8}" for title in titles))
    first = ways[0]
    for way in ways:
        cpu, wall, median = min(way.cpu), min(way.wall), statistics.median(way.wall)
        ratios = (min(first.cpu) / cpu, min(first.wall) / wall, statistics.median(first.wall) / median)
        print(
            f"{way.title:44} {1e3 * cpu:8.2f} {1e3 * wall:8.2f} {1e3 * median:8.2f} {1 / wall:8.0f} "
            + " ".join(f"{ratio:6.2f} x" for ratio in ratios)
            + f" {way.others[way.wall.index(wall)]:8.0%}"
        )
    hours = PAPER_MEMBERS * PAPER_STARS * PAPER_EPOCHS * min(ways[-1].wall) / 3600
    trained = round(0.75 * PAPER_STARS)
    print(
        f"As in the last line: {hours:.0f} hours for {PAPER_MEMBERS} members, {PAPER_EPOCHS} epochs of {trained} stars "
        f"and {PAPER_STARS - trained} for validation"
    )
    print("\nValidation MSE (scaled labels) by epoch: equal quality means that these fall alike")
    for way in ways:
        chosen = sorted({0, 1, *range(4, rounds, 5), rounds - 1})
        print(f"{way.title:44} " + " ".join(f"{i + 2}: {way.mse[i]:.4f}" for i in chosen if i < rounds))


def bench_checkpoints(arrays: TrainingArrays, folder: Path) -> None:
    """Print what a checkpoint costs, and how often it is written."""
    session = TrainingSession(arrays, 0, 0, NetworkSettings(), TrainingSettings())
    with quiet():
        session.epoch()
        keeper = CheckpointKeeper(folder / "bench.checkpoint", {}, 0.0)
        seconds = []
        for _ in range(5):
            begin = time.process_time()
            keeper.write(session.state())
            seconds.append(time.process_time() - begin)
    size, cost = keeper.path.stat().st_size / 1e6, min(seconds)
    print(f"\nA checkpoint: {size:.1f} MB, {1e3 * cost:.0f} ms CPU, {cost / 5.0:.2%} of the 5 s between two of them")


def bench_stars(arrays: TrainingArrays, sizes: Sequence[int]) -> None:
    """Print the cost of a star against the number of stars: it must not grow."""
    print("\nCPU ms a star and epoch, one process of one thread, by number of stars")
    for n in sizes:
        part = TrainingArrays(*(values[:n] for values in (arrays.flux, arrays.scalars, arrays.xp, arrays.labels)),
                              arrays.validation[:, :n])  # fmt: skip
        epoch = session_epochs(part, 0)
        with quiet():
            epoch()
            seconds = []
            for _ in range(5):
                begin = time.process_time()
                epoch()
                seconds.append(time.process_time() - begin)
        print(f"{n:6} stars: {1e3 * min(seconds) / n:.2f}")


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--jax", action="store_true", help="also train on Keras's JAX backend")
    parser.add_argument("--serve", nargs=4, metavar=("WHAT", "FOLDER", "SEED", "THREADS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        what, where, seed, threads = arguments.serve
        serve(what, Path(where), int(seed), int(threads))
        return
    cores = len(os.sched_getaffinity(0))
    names = ("keras", "tensorflow-cpu", "numpy", *(["jax"] if arguments.jax else []))
    print(f"{cores} cores; " + ", ".join(f"{name} {version(name)}" for name in names))
    arrays = sample(arguments.stars)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        arrays.save(folder)
        ways = [
            Way(f"fit, 1 process of {cores} threads", "fit", 1, cores),
            Way("the same, autotuned input", "fit autotuned", 1, cores),
            Way(f"fit, {cores} processes of 1 thread", "fit", cores, 1),
            Way(f"rvscat with Keras's kernels, {cores} of 1", "rvscat keras", cores, 1),
            *([Way(f"rvscat on JAX, {cores} processes of 1 thread", "rvscat", cores, 1, "jax")] * arguments.jax),
            Way(f"rvscat, {cores} processes of 1 thread", "rvscat", cores, 1),
        ]
        bench_turns(ways, folder, arguments.stars, arguments.rounds)
        start_keras(threads=1)
        bench_checkpoints(arrays, folder)
        bench_stars(arrays, [n for n in (256, 512, 1024, 2048) if n <= arguments.stars])


if __name__ == "__main__":
    main()
