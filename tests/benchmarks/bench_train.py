"""Speed of training and prediction against plain Keras, on this machine.

Run by hand, on an idle machine: ``python tests/benchmarks/bench_train.py [--stars 512] [--threads 1]``. Figures
are ratios within one run; CPU and wall time both, since a busy machine stretches the second. Members trained side
by side are timed as whole processes, start included.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.network import build_network
from catalog.ensemble.pool import train_members
from catalog.ensemble.prediction import predict_scaled
from catalog.ensemble.splits import MemberPlan
from catalog.ensemble.training import TrainingArrays, _pass, train_member
from catalog.profiles.model import NetworkSettings, TrainingSettings

SIZES = (2401, 4, 110, 5)


def sample(n: int) -> TrainingArrays:
    """Return random stars, a quarter of them for validation."""
    rng = np.random.default_rng(0)
    parts = [rng.random((n, size), dtype=np.float32) for size in SIZES]
    validation = np.zeros((1, n), dtype=bool)
    validation[0, ::4] = True
    return TrainingArrays(*parts, validation)


def timed(what: str, n: int, work: Callable[[], Any], reference: float | None = None) -> float:
    """Run `work` twice, the first time to compile; print and return the CPU seconds of a sample."""
    work()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    ratio = f"{reference / (cpu / n):5.2f} x" if reference else ""
    print(f"{what:54} {1e3 * cpu / n:7.2f} ms CPU {1e3 * wall / n:7.2f} ms wall {n / wall:7.0f}/s {ratio}", flush=True)
    return cpu / n


def compiled_network(**settings: Any) -> Any:
    """Return the paper's network, ready to be trained."""
    import keras

    model = build_network(*SIZES, NetworkSettings())
    model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mse", **settings)
    return model


def bench_training(arrays: TrainingArrays) -> None:
    """Compare one epoch of the loop with model.fit, without validation."""
    n = len(arrays.labels)
    rows = np.arange(n)
    inputs = arrays.inputs(slice(None))
    print(f"Training, a sample and member ({n} stars)")
    plain = compiled_network()
    reference = timed(
        "model.fit(batch_size=64), Keras defaults", n,
        lambda: plain.fit(inputs, arrays.labels, batch_size=64, verbose=0),
    )  # fmt: skip
    fitted = compiled_network(jit_compile=False)
    timed(
        "model.fit(batch_size=64, jit_compile=False)", n,
        lambda: fitted.fit(inputs, arrays.labels, batch_size=64, verbose=0), reference,
    )  # fmt: skip
    for batch in (16, 32, 64, 128):
        model = compiled_network(jit_compile=False)
        timed(
            f"the loop of catalog.ensemble.training, batch {batch}", n,
            lambda model=model, batch=batch: _pass(model.train_on_batch, arrays, rows, batch), reference,
        )  # fmt: skip
    for epochs in (1, 3):
        settings = TrainingSettings(max_epochs=epochs, batch_size=64)
        timed(
            f"train_member, {epochs} epoch{'s' if epochs > 1 else ''} with validation, tracing included",
            epochs * n,
            lambda settings=settings: train_member(arrays, 0, 1, NetworkSettings(), settings, lambda *_: None),
            reference,
        )


def bench_prediction(arrays: TrainingArrays) -> None:
    """Compare prediction with model.predict."""
    n = len(arrays.labels)
    inputs = arrays.inputs(slice(None))
    print(f"Prediction, a star and member ({n} stars)")
    plain = build_network(*SIZES, NetworkSettings())
    reference = timed(
        "model.predict(batch_size=256), Keras defaults", n, lambda: plain.predict(inputs, batch_size=256, verbose=0)
    )
    timed("model.predict(batch_size=32)", n, lambda: plain.predict(inputs, batch_size=32, verbose=0), reference)
    network = build_network(*SIZES, NetworkSettings())
    timed("predict_scaled of catalog.ensemble.prediction", n, lambda: predict_scaled(network, inputs), reference)


def bench_processes(arrays: TrainingArrays, epochs: int) -> None:
    """Time two members in one process and in two."""
    settings = TrainingSettings(splits=1, initialisations=2, max_epochs=epochs)
    task = {"network": NetworkSettings().model_dump(mode="json"), "training": settings.model_dump(mode="json")}
    plans = [MemberPlan(0, 0, 0), MemberPlan(1, 0, 1)]
    print(f"Two members, {epochs} epochs of {len(arrays.labels)} stars each, from start to end")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "members").mkdir()
            arrays.save(Path(folder))
            (Path(folder) / "task.json").write_text(json.dumps(task))
            start = time.perf_counter()
            train_members(Path(folder), plans, workers, lambda _: None)
            print(f"{workers} process{'es' if workers > 1 else ''}: {time.perf_counter() - start:.1f} s", flush=True)


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10, help="of the members trained in processes; 0 leaves them out")
    arguments = parser.parse_args()
    start_keras(arguments.threads)
    arrays = sample(arguments.stars)
    with quiet():
        bench_training(arrays)
        bench_prediction(arrays)
    if arguments.epochs:
        bench_processes(arrays, arguments.epochs)


if __name__ == "__main__":
    main()
