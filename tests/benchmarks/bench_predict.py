"""Prediction from the database and back, against plain Keras on arrays in memory, in one run on this machine.

Run by hand, on an idle machine: ``python tests/benchmarks/bench_predict.py [--stars 8192] [--members 28]``. The
networks are the paper's, with random weights; the spectra are random, too: neither changes the time. The database is a
new one in the server of RVSCAT_DATABASE_URL, or an embedded one. TF_ENABLE_ONEDNN_OPTS=0 shows Keras on processors
for which TensorFlow does not take oneDNN by itself.

The reference is one ``model.predict`` a member, at batch 256 and at its best batch. It is given data sets without
autotuning: an iterator's end otherwise stalls short runs and every ratio looks better than it is.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Before numpy is loaded: one thread of linear algebra for each of ours.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import psycopg
from measuring import Cost, database, measure

from catalog.database.ledger import Run, open_run
from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.network import build_network
from catalog.ensemble.prediction.loading import load_ensemble
from catalog.ensemble.registry.artefact import FORMAT_VERSION, Manifest, MemberRecord, network_file, write_artefact
from catalog.ensemble.registry.keys import ensemble_keys, folder_name
from catalog.ensemble.registry.records import register_ensemble
from catalog.ensemble.stage import predict_labels
from catalog.ensemble.training.member import weights_sha256
from catalog.ensemble.uncertainty import fit_dispersions
from catalog.features import SCALARS, FeatureReport, MinMaxScaler, Scalers, stream_features, xp_names
from catalog.metadata import LABELS
from catalog.profiles import load_profile
from catalog.profiles.model import PredictionSettings
from catalog.releases import load_release
from catalog.settings import Settings
from tests.features.sky import make_sky, store_sky

SIZES = (2401, 4, 110, 5)
FLOP = 2 * 12.25e6
"""Of one star and member, by the definition of the layers."""

BATCHES = (32, 64, 128, 256, 512)


def say(what: str, cost: Cost, n: int, *references: Cost) -> None:
    """Print the cost of a star and member, of which there were `n`, and how many times less it is than others."""
    cpu = cost.client_s + cost.server_s
    ratios = [f"{other.client_s / cpu:6.2f} x CPU {other.wall_s / cost.wall_s:6.2f} x wall" for other in references]
    print(
        f"{what:50} {1e3 * cpu / n:8.4f} ms CPU {1e3 * cost.wall_s / n:8.4f} ms wall {' | '.join(ratios)}", flush=True
    )


def describe(threads: int) -> float:
    """Print versions and the machine; return the FLOP/s of one core."""
    names = ("numpy", "keras", "tensorflow-cpu", "tensorflow", "llvmlite", "openvino", "onnxruntime", "psycopg")
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except ModuleNotFoundError:
            continue
    print(f"Python {platform.python_version()}, {', '.join(found)}")
    print(f"{os.cpu_count()} cores, {threads} threads; oneDNN in TensorFlow: ", end="")
    print(os.environ.get("TF_ENABLE_ONEDNN_OPTS", "as TensorFlow decides"))
    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    cost = measure(lambda: a @ a, 5)
    peak = 2 * 2048**3 / cost.client_s
    print(f"FMA peak of one core, by a matrix product: {peak / 1e9:.1f} GFLOP/s")
    return peak


def make_run(connection: psycopg.Connection, stars: int) -> Run:
    """Store a sky and open a run for it."""
    run = open_run(connection, load_profile("paper"))
    store_sky(connection, run, make_sky(stars, stars // 2))
    connection.execute("ANALYZE")
    connection.commit()
    return run


def make_ensemble(connection: psycopg.Connection, run: Run, settings: Settings, members: int) -> Path:
    """Write and register an ensemble of untrained networks."""
    import keras

    key, training_key = ensemble_keys(connection, run)
    rng = np.random.default_rng(0)
    lower = np.array([4000.0, 0.5, -2.0, -0.1, -2.0])
    labels = lower + rng.random((500, 5)) * np.array([2000.0, 4.0, 2.5, 0.5, 2.5])
    scalers = Scalers(
        MinMaxScaler(SCALARS, np.array([8.0, 8.0, 7.0, 0.0]), np.array([14.0, 15.0, 14.0, 5.0])),
        MinMaxScaler(xp_names(55, 55), np.full(110, -1.0), np.ones(110)),
        MinMaxScaler.fit(labels, tuple(label.name for label in LABELS)),
    )
    fits = fit_dispersions(labels, labels + rng.normal(0.0, 0.1, labels.shape), run.profile.uncertainty)
    records = []
    folder = settings.ensembles / folder_name(key)
    with tempfile.TemporaryDirectory() as place:
        for member in range(members):
            keras.utils.set_random_seed(member)
            network = build_network(*SIZES, run.profile.network)
            network.save(network_file(Path(place), member))
            records.append(
                MemberRecord(
                    member=member, split=0, initialisation=member, seed=member, attempt=0, epochs=1, best_epoch=1,
                    val_loss=0.1, val_mse=0.1, history={}, weights_sha256=weights_sha256(network.get_weights()),
                    file_sha256="", predictions_sha256="", wall_s=0.0,
                )
            )  # fmt: skip
        manifest = Manifest(
            format_version=FORMAT_VERSION, key=key, training_key=training_key, release=run.release, features_version=1,
            labels=tuple(label.name for label in LABELS), grid=load_release("dr3").rvs, scalers_fitted_on="nothing",
            network=run.profile.network, training=run.profile.training, uncertainty_settings=run.profile.uncertainty,
            n_training=500, members=tuple(records), metrics={},
            uncertainty={"fits": {fit.label: fit.model_dump(mode="json") for fit in fits}}, notes=(), versions={},
            wall_s=0.0,
        )  # fmt: skip
        predictions = labels + rng.normal(0.0, 0.1, (members, *labels.shape))
        training = {
            "source_id": np.arange(500),
            "labels": labels,
            "validation": np.arange(500)[None] % 4 == 0,
            "predictions": predictions.astype(np.float32),
        }
        write_artefact(folder, manifest, scalers, Path(place), training)
    register_ensemble(connection, run, folder, manifest, {})
    connection.commit()
    return folder


def data_set(inputs: list[np.ndarray], batch: int) -> Any:
    """Return Keras's own way of reading arrays, without autotuning."""
    import tensorflow

    options = tensorflow.data.Options()
    options.autotune.enabled = False
    return tensorflow.data.Dataset.from_tensor_slices((tuple(inputs),)).batch(batch).with_options(options)


def plain_keras(networks: list[Any], inputs: list[np.ndarray], batch: int) -> Callable[[], Any]:
    """Return what a user would write."""
    return lambda: np.mean([network.predict(data_set(inputs, batch), verbose=0) for network in networks], axis=0)


def with_runtime(run: Run, runtime: str) -> Run:
    """Return the run with another runtime."""
    profile = run.profile.model_copy(update={"prediction": PredictionSettings(runtime=runtime)})
    return Run(run.run_id, run.key, run.release, profile, run.status)


def alone(settings: Settings, run: Run) -> None:
    """Do the stage and nothing else; print its memory."""
    with psycopg.connect(str(settings.database_url)) as connection:
        result: list[Any] = []
        cost = measure(lambda: result.append(predict_labels(connection, run, settings)), 1)
    print(json.dumps({"wall_s": cost.wall_s, "cpu_s": cost.client_s, "peak_mb": own_peak_mb()}))


def own_peak_mb() -> float:
    """Return the peak of this process; the usual figure is inherited from the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def in_process_of_its_own(settings: Settings, runtime: str) -> dict[str, float]:
    """Run the stage in a process of its own."""
    arguments = [sys.executable, __file__, "--alone", settings.model_dump_json(), "--runtimes", runtime]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def bench(arguments: argparse.Namespace, settings: Settings) -> None:
    """Run all parts."""
    threads, members = settings.workers, arguments.members
    keras = start_keras(threads)
    peak = describe(threads)
    with psycopg.connect(str(settings.database_url)) as connection:
        run = make_run(connection, arguments.stars)
        folder = make_ensemble(connection, run, settings, members)
        n = arguments.stars * members
        blocks = list(stream_features(connection, run))
        reading = measure(lambda: list(stream_features(connection, run, report=FeatureReport())), 2, connection)
        say(f"reading {arguments.stars} stars, shared out over {members} members", reading, n)

        reference = load_ensemble(folder, threads=threads)
        inputs = [np.concatenate(parts) for parts in zip(*(reference._scaled(block) for block in blocks), strict=True)]
        networks = []
        for member in range(members):
            keras.utils.set_random_seed(member)
            networks.append(build_network(*SIZES, run.profile.network))
        few = [values[:2048] for values in inputs]
        costs = {batch: measure(plain_keras(networks[:1], few, batch), 3) for batch in BATCHES}
        for batch, cost in costs.items():
            say(f"Keras predict({batch}), one member", cost, len(few[0]))
        best = min(costs, key=lambda batch: costs[batch].client_s)
        loops = {f"{members} x Keras predict({batch})": plain_keras(networks, inputs, batch) for batch in {256, best}}
        ours = {name: with_runtime(run, name) for name in arguments.runtimes}
        found: dict[str, list[Cost]] = {}
        loading: dict[str, Cost] = {}
        # Taken in turn, so that a machine that slows down slows all of them.
        for _ in range(arguments.repeats):
            for name, work in loops.items():
                found.setdefault(name, []).append(measure(work, 1))
            for name, run_with in ours.items():
                loaded = measure(lambda name=name: load_ensemble(folder, threads=threads, runtime=name), 1)
                loading[name] = min(loading.get(name, loaded), loaded, key=lambda cost: cost.wall_s)
                found.setdefault(name, []).append(
                    measure(lambda run_with=run_with: predict_labels(connection, run_with, settings), 1, connection)
                )
        least = {name: min(costs, key=lambda cost: cost.client_s) for name, costs in found.items()}
        references = [least[f"{members} x Keras predict({batch})"] for batch in (256, best)]
        print(
            f"\n{arguments.stars} stars, {members} members: a star and member, and ratios to predict(256) | to the best"
        )
        for name, cost in least.items():
            if name in loops:
                say(name, cost, n, *references)
                continue
            # The server's process that writes is measured with the stage, the one that reads was measured before.
            cost.server_s += reading.server_s
            load = loading[name]
            say(f"{name}, from the database and back", cost, n, *references)
            once = Cost(cost.wall_s - load.wall_s, cost.client_s - load.client_s, cost.server_s)
            say(f"{name}, the same without loading {load.wall_s:.1f} s", once, n, *references)
            share = FLOP * n / (once.client_s + once.server_s) / peak
            print(f"{'':50} as if at {share:.2f} of the FMA peak, counted by the layers' definition")
        if arguments.scaling:
            scaling(connection, run, folder)
        for name in arguments.runtimes:
            print(f"{name}, a process of its own: {in_process_of_its_own(settings, name)}")


def scaling(connection: psycopg.Connection, run: Run, folder: Path) -> None:
    """Print the CPU time against the number of stars and of members."""
    print("\nCPU time once loaded, ms a star and member")
    ensemble = load_ensemble(folder, threads=1, runtime="compiled")
    runtime: Any = ensemble.predictor.runtime
    blocks = list(stream_features(connection, run))
    connection.commit()
    inputs = [ensemble._scaled(block) for block in blocks]
    every = runtime._members
    for stars_share, members_share in ((8, 1), (4, 1), (2, 1), (1, 1), (2, 2), (2, 4), (2, 7)):
        some = inputs[: len(inputs) // stars_share]
        runtime._members = every[: len(every) // members_share]
        session = runtime.session()
        cost = measure(lambda session=session, some=some: [session(values) for values in some], 2)
        n = sum(len(values[0]) for values in some)
        print(
            f"  {n:7} stars, {len(runtime._members):2} members: {1e3 * cost.client_s / n / len(runtime._members):.4f}"
        )
    runtime._members = every


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=8192)
    parser.add_argument("--members", type=int, default=28)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--runtimes", nargs="+", default=["compiled", "openvino", "onnxruntime"])
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        settings = Settings.model_validate_json(arguments.alone)
        with psycopg.connect(str(settings.database_url)) as connection:
            run = open_run(connection, load_profile("paper"))
        alone(settings, with_runtime(run, arguments.runtimes[0]))
        return
    with database() as settings, quiet():
        bench(arguments, settings.model_copy(update={"workers": arguments.threads}))


if __name__ == "__main__":
    main()
