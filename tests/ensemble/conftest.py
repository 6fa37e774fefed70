"""Small networks and samples. Most tests do with untrained networks, made in the test's own process."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.network import build_network
from catalog.ensemble.registry.artefact import FORMAT_VERSION, Manifest, MemberRecord, network_file, write_artefact
from catalog.ensemble.registry.listing import ListedEnsemble, list_ensembles
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.ensemble.training.member import TrainedMember, TrainingArrays, weights_sha256
from catalog.ensemble.training.splits import MemberPlan
from catalog.ensemble.training.task import Task, train_and_save
from catalog.features import SCALARS, MinMaxScaler, Scalers, xp_names
from catalog.metadata import LABELS
from catalog.profiles import Profile
from catalog.profiles.model import NetworkSettings, TrainingSettings, UncertaintySettings
from catalog.releases import PixelGrid
from catalog.settings import Settings
from tests.ensemble.outcomes import labels_of
from tests.features.sky import Sky, make_sky, store_sky

N_PIXELS = 96
SMALL = NetworkSettings(filters=(4, 3, 2), spectrum_units=8, scalar_units=4, xp_units=6, dense_units=(8, 6))


@pytest.fixture(scope="session", autouse=True)
def keras() -> Any:
    return start_keras(threads=1)


@pytest.fixture
def profile(profile: Profile) -> Profile:
    """Two members of a small network on two splits, two epochs."""
    training = TrainingSettings(
        splits=2, initialisations=1, max_epochs=2, batch_size=16, learning_rate=1e-3, min_training_stars=20, seed=5
    )
    uncertainty = UncertaintySettings(n_bins=5, min_stars_per_bin=5, degree=2)
    return profile.model_copy(update={"network": SMALL, "training": training, "uncertainty": uncertainty})


@pytest.fixture
def run(connection: psycopg.Connection, profile: Profile) -> Run:
    return open_run(connection, profile)


@pytest.fixture
def arrays() -> TrainingArrays:
    """80 stars whose labels are written plainly into their inputs."""
    rng = np.random.default_rng(3)
    n = 80
    labels = rng.random((n, 5)).astype(np.float32)
    flux = np.ones((n, N_PIXELS), dtype=np.float32)
    for i in range(5):
        flux[:, 10 + 16 * i : 16 + 16 * i] -= labels[:, i, None]
    scalars = np.column_stack([labels[:, :3], rng.random(n)]).astype(np.float32)
    xp = (rng.random((n, 20)) * 0.1 + labels[:, [0]]).astype(np.float32)
    validation = np.zeros((2, n), dtype=bool)
    validation[0, ::4] = validation[1, 1::4] = True
    return TrainingArrays(flux, scalars, xp, labels, validation)


@quiet()
def untrained(
    arrays: TrainingArrays,
    split: int,
    seed: int,
    network: NetworkSettings,
    training: TrainingSettings,
    on_epoch: Callable[[int, dict[str, float]], None],
    *_: object,
) -> TrainedMember:
    """A network as its seed makes it, in place of a trained one."""
    import keras

    keras.utils.set_random_seed(seed)
    sizes = (arrays.flux.shape[1], arrays.scalars.shape[1], arrays.xp.shape[1], arrays.labels.shape[1])
    figures = {"loss": 0.2, "mse": 0.1, "val_loss": 0.3, "val_mse": 0.2, "learning_rate": 1e-3}
    for epoch in range(training.max_epochs):
        on_epoch(epoch + 1, figures)
    history = {name: [value] * training.max_epochs for name, value in figures.items()}
    return TrainedMember(build_network(*sizes, network), history, 1, 0.1)


class InProcess:
    """Stands in for the training processes; counts the networks that it makes."""

    def __init__(self) -> None:
        self.trained: list[int] = []

    def __call__(
        self, folder: Path, plans: Sequence[MemberPlan], workers: int, on_event: Callable[[dict[str, Any]], None]
    ) -> None:
        task = Task.open(folder)
        for plan in plans:
            record = train_and_save(task, plan, on_event, untrained)
            self.trained.append(plan.member)
            on_event({"event": "done", "member": plan.member, "epochs": record.epochs, "val_loss": record.val_loss})


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    trainer = InProcess()
    monkeypatch.setattr("catalog.ensemble.training.building.train_members", trainer)
    return trainer


@pytest.fixture
def grid() -> PixelGrid:
    return PixelGrid(
        start=846.0, step=0.01, n_pixels=N_PIXELS, medium="vacuum", frame="stellar rest", continuum=((846.0, 846.2),)
    )


@pytest.fixture
@quiet()
def artefact(tmp_path: Path, grid: PixelGrid) -> Path:
    """A saved ensemble of two untrained networks."""
    import keras

    members = tmp_path / "members"
    members.mkdir()
    records = []
    for member in range(2):
        keras.utils.set_random_seed(member)
        network = build_network(N_PIXELS, len(SCALARS), 110, len(LABELS), SMALL)
        network.save(network_file(members, member))
        records.append(
            MemberRecord(
                member=member,
                split=member,
                initialisation=0,
                seed=member,
                attempt=0,
                epochs=1,
                best_epoch=1,
                val_loss=0.1,
                val_mse=0.1,
                history={"loss": [0.1], "val_loss": [0.1]},
                weights_sha256=weights_sha256(network.get_weights()),
                file_sha256="0" * 64,
                predictions_sha256="0" * 64,
                wall_s=1.0,
            )
        )
    rng = np.random.default_rng(0)
    scalers = Scalers(
        MinMaxScaler.fit(rng.random((9, 4)), SCALARS),
        MinMaxScaler.fit(rng.random((9, 110)), xp_names(55, 55)),
        MinMaxScaler(
            tuple(label.name for label in LABELS),
            np.array([4000.0, 0.5, -2.0, -0.1, -2.0]),
            np.array([6000.0, 4.5, 0.5, 0.4, 0.5]),
        ),
    )
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        key="a" * 64,
        training_key="b" * 64,
        release="test",
        features_version=1,
        labels=tuple(label.name for label in LABELS),
        grid=grid,
        scalers_fitted_on="the whole training sample",
        network=SMALL,
        training=TrainingSettings(),
        uncertainty_settings=UncertaintySettings(),
        n_training=3,
        members=tuple(records),
        metrics={},
        uncertainty={},
        notes=(),
        versions={},
        wall_s=1.0,
    )
    folder = tmp_path / "ensemble"
    write_artefact(folder, manifest, scalers, members, {"source_id": np.arange(3)})
    return folder


@pytest.fixture
def variant(run: Run) -> Run:
    """The same run by networks of the spectrum alone."""
    network = NetworkSettings.model_validate({**SMALL.model_dump(), "inputs": ["spectrum"]})
    return replace(run, profile=run.profile.model_copy(update={"network": network}))


@pytest.fixture
def pair(
    connection: psycopg.Connection, run: Run, variant: Run, settings: Settings, in_process: InProcess
) -> list[ListedEnsemble]:
    """Two ensembles of untrained networks on the same 40 stars: with all inputs, and with the spectrum alone."""
    store_sky(connection, run, make_sky(60, 20))
    train_ensemble(connection, run, settings)
    train_ensemble(connection, variant, settings)
    found = list_ensembles(connection, settings)
    connection.commit()
    return found


@pytest.fixture
def sky(connection: psycopg.Connection, run: Run) -> Sky:
    """Forty training stars and twenty others, in the database."""
    sky = make_sky(60, 20)
    store_sky(connection, run, sky)
    return sky


@pytest.fixture
def labelled(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> np.ndarray:
    """The labels of all these stars by an ensemble of untrained networks, as `labels_of` reads them."""
    train_ensemble(connection, run, settings)
    predict_labels(connection, run, settings)
    return labels_of(connection, run)
