"""From a training sample to a whole ensemble on disk."""

import json
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection
from pydantic import ValidationError

from catalog import __version__
from catalog.database.ledger import Run
from catalog.ensemble.artefact import (
    FORMAT_VERSION,
    Manifest,
    MemberRecord,
    network_file,
    read_training,
    verify_artefact,
    write_artefact,
)
from catalog.ensemble.files import sha256_file, write_whole
from catalog.ensemble.keys import folder_name
from catalog.ensemble.metrics import out_of_fold, residual_metrics
from catalog.ensemble.pool import train_members
from catalog.ensemble.prediction import combine
from catalog.ensemble.splits import MemberPlan, plan_members, validation_masks
from catalog.ensemble.training import TrainingArrays
from catalog.ensemble.uncertainty import fit_dispersions, overall_sigma
from catalog.ensemble.worker import TASK_FILE, member_files
from catalog.errors import ArtefactError
from catalog.features import (
    FEATURES_VERSION,
    SCALARS,
    FeatureReport,
    MinMaxScaler,
    Scalers,
    TrainingSet,
    load_training_set,
    xp_names,
)
from catalog.metadata import LABELS
from catalog.profiles import Profile
from catalog.progress import Progress
from catalog.releases import load_release

__all__ = ["build_ensemble", "discard_work", "fit_scalers", "training_arrays"]


def fit_scalers(training: TrainingSet, n_bp: int) -> Scalers:
    """Take the limits of the training sample's scalars, XP coefficients and labels.

    Parameters
    ----------
    training : TrainingSet
    n_bp : int
        How many of the XP coefficients are BP's.

    Returns
    -------
    Scalers
    """
    return Scalers(
        MinMaxScaler.fit(training.scalars, SCALARS),
        MinMaxScaler.fit(training.xp, xp_names(n_bp, training.xp.shape[1] - n_bp)),
        MinMaxScaler.fit(training.labels, tuple(label.name for label in LABELS)),
    )


def training_arrays(training: TrainingSet, scalers: Scalers, masks: np.ndarray) -> TrainingArrays:
    """Return what networks are trained on.

    Parameters
    ----------
    training : TrainingSet
    scalers : Scalers
    masks : numpy.ndarray of bool
        Validation masks, shape (splits, n).

    Returns
    -------
    TrainingArrays
    """
    return TrainingArrays(
        training.flux,
        scalers.scalars.transform(training.scalars).astype(np.float32),
        scalers.xp.transform(training.xp).astype(np.float32),
        scalers.labels.transform(training.labels).astype(np.float32),
        masks,
    )


def build_ensemble(
    connection: Connection,
    run: Run,
    folder: Path,
    key: str,
    training_key: str,
    workers: int,
    networks: list[Path],
    progress: Progress,
) -> tuple[Manifest, list[str]]:
    """Train all members that are not there yet and write the ensemble's folder.

    Parameters
    ----------
    connection : psycopg.Connection
        Read from at first; no transaction is open while networks are trained.
    run : Run
    folder : pathlib.Path
        To be written; must not exist.
    key, training_key : str
        See `catalog.ensemble.keys`.
    workers : int
        Members trained at once.
    networks : list of pathlib.Path
        Ensembles with the same training, whose networks need not be trained again.
    progress : Progress

    Returns
    -------
    Manifest
    list of str
        Notes on stars that were left out.

    Raises
    ------
    SampleError
        The training sample is too small to split.
    TrainingError
        A training process ended before its time.
    RvscatError
        A member has diverged with every seed.
    """
    start = time.perf_counter()
    profile, release = run.profile, load_release(run.profile.release)
    work = _work_folder(folder.parent, training_key)
    members = work / "members"
    members.mkdir(parents=True, exist_ok=True)
    progress(0, 1, "reading the training sample")
    report = FeatureReport()
    training = load_training_set(connection, run, work, report)
    connection.commit()
    masks = validation_masks(training.source_id, profile.training)
    scalers = fit_scalers(training, release.xp.bp_coefficients)
    training_arrays(training, scalers, masks).save(work)
    task = {"network": profile.network.model_dump(mode="json"), "training": profile.training.model_dump(mode="json")}
    (work / TASK_FILE).write_text(json.dumps(task))

    plans = plan_members(profile.training)
    _adopt(members, networks, len(plans), scalers)
    missing = [plan for plan in plans if _finished(members, plan) is None]
    watch = _Watch(profile, len(plans), len(plans) - len(missing), progress)
    if missing:
        train_members(work, missing, workers, watch)
    records = [_finished(members, plan) for plan in plans]
    scaled = np.stack([np.load(member_files(members, plan.member)[2], allow_pickle=False) for plan in plans])
    predictions = scalers.labels.inverse_transform(scaled)
    metrics, uncertainty = _judge(training, predictions, masks, plans, profile)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        key=key,
        training_key=training_key,
        release=run.release,
        features_version=FEATURES_VERSION,
        labels=tuple(label.name for label in LABELS),
        grid=release.rvs,
        scalers_fitted_on="the whole training sample",
        network=profile.network,
        training=profile.training,
        uncertainty_settings=profile.uncertainty,
        n_training=len(training),
        members=tuple(record for record in records if record is not None),
        metrics=metrics,
        uncertainty=uncertainty,
        notes=tuple(_constant_notes(scalers) + watch.notes),
        versions=_versions(),
        wall_s=time.perf_counter() - start,
    )
    kept = {"source_id": training.source_id, "labels": training.labels, "validation": masks}
    write_artefact(folder, manifest, scalers, members, {**kept, "predictions": predictions.astype(np.float32)})
    discard_work(folder.parent, training_key)
    return manifest, report.notes()


def _work_folder(parent: Path, training_key: str) -> Path:
    return parent / f".work-{folder_name(training_key)}"


def discard_work(parent: Path, training_key: str) -> None:
    """Remove the folder in which the members of a training gather; it outlives a killed training only."""
    shutil.rmtree(_work_folder(parent, training_key), ignore_errors=True)


def _finished(members: Path, plan: MemberPlan) -> MemberRecord | None:
    """Return the record of a member whose files are whole, or None."""
    network, record_file, predictions = member_files(members, plan.member)
    try:
        record = MemberRecord.model_validate_json(record_file.read_text())
        whole = sha256_file(network) == record.file_sha256 and sha256_file(predictions) == record.predictions_sha256
    except (FileNotFoundError, ValidationError):
        return None
    return record if whole else None


def _adopt(members: Path, networks: list[Path], n_members: int, scalers: Scalers) -> None:
    """Take over the networks of an ensemble that was trained in the same way on the same stars."""
    for path in networks:
        try:
            manifest = verify_artefact(path)
        except ArtefactError:
            continue  # not whole: its networks are trained once more
        if len(manifest.members) != n_members:
            continue
        predictions = scalers.labels.transform(read_training(path)["predictions"]).astype(np.float32)
        for record, scaled in zip(manifest.members, predictions, strict=True):
            _take_over(members, path, record, scaled)
        return


def _take_over(members: Path, path: Path, record: MemberRecord, scaled: np.ndarray) -> None:
    network, record_file, prediction_file = member_files(members, record.member)
    shutil.copyfile(network_file(path, record.member), network)
    write_whole(prediction_file, lambda temporary: np.save(temporary, scaled))
    taken = record.model_copy(update={"predictions_sha256": sha256_file(prediction_file)})
    write_whole(record_file, lambda temporary: temporary.write_text(taken.model_dump_json()))


@dataclass
class _Watch:
    """Turns the events of training processes into progress and notes."""

    profile: Profile
    n_members: int
    n_finished: int
    progress: Progress

    def __post_init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.notes: list[str] = []
        if self.n_finished:
            self.progress(self._done(), self._total(), f"{self.n_finished} members were finished before")
        else:
            self.progress(0, self._total(), "starting the training processes")

    def __call__(self, event: Mapping[str, Any]) -> None:
        member = int(event["member"])
        if event["event"] == "epoch":
            self.epochs[member] = int(event["epoch"])
            words = (
                f"member {member + 1} of {self.n_members}, epoch {event['epoch']}: loss {event['loss']:.4f}, "
                f"validation {event['val_loss']:.4f}, learning rate {event['learning_rate']:.1e}"
            )
        elif event["event"] == "diverged":
            self.epochs.pop(member, None)
            words = f"member {member + 1} has diverged, next seed"
            self.notes.append(
                f"Member {member} diverged with seed {event['seed']} ({event['message']}): trained with the next seed."
            )
        else:
            self.epochs.pop(member, None)
            self.n_finished += 1
            words = (
                f"member {member + 1} of {self.n_members} finished after {event['epochs']} epochs, "
                f"validation {event['val_loss']:.4f}"
            )
        self.progress(self._done(), self._total(), words)

    def _done(self) -> float:
        return self.n_finished * self.profile.training.max_epochs + sum(self.epochs.values())

    def _total(self) -> float:
        return self.n_members * self.profile.training.max_epochs


def _judge(
    training: TrainingSet, predictions: np.ndarray, masks: np.ndarray, plans: list[MemberPlan], profile: Profile
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics of an ensemble on its training sample, and the fits behind its uncertainties."""
    mean, deviation = combine(predictions)
    fits = fit_dispersions(training.labels, mean, profile.uncertainty)
    sigma = overall_sigma(fits, mean, deviation)
    unseen = out_of_fold(predictions, masks, np.array([plan.split for plan in plans]))
    metrics = residual_metrics(training.labels, mean, unseen, sigma)
    metrics["internal"] = {label.name: float(np.median(deviation[:, i])) for i, label in enumerate(LABELS)}
    metrics["sigma"] = {label.name: float(np.median(sigma[:, i])) for i, label in enumerate(LABELS)}
    known = np.isfinite(unseen).all(axis=1)
    uncertainty: dict[str, Any] = {
        "rule": "sqrt(e**2 + d(label)**2)",
        "e": "standard deviation over members, divided by their number",
        "d": "polynomial through the standard deviation of CNN - APOGEE in bins of the APOGEE label",
        "fits": {fit.label: fit.model_dump(mode="json") for fit in fits},
    }
    if known.any():
        honest = fit_dispersions(training.labels[known], unseen[known], profile.uncertainty)
        uncertainty["out_of_fold"] = {fit.label: fit.model_dump(mode="json") for fit in honest}
    return metrics, uncertainty


def _constant_notes(scalers: Scalers) -> list[str]:
    notes = []
    # By construction 1 for every star.
    expected = {"bp_1", "rp_1"}
    for part in (scalers.scalars, scalers.xp, scalers.labels):
        odd = [name for name in part.constant if name not in expected]
        if odd:
            notes.append(f"The same for every training star, so the network cannot learn from it: {', '.join(odd)}.")
    if expected <= set(scalers.xp.constant):
        notes.append("bp_1 and rp_1 are 1 for every star, being relative to themselves: they enter the network as 0.")
    return notes


def _versions() -> dict[str, str]:
    found = {"rvscat": __version__, "python": platform.python_version(), "numpy": np.__version__}
    # The training processes used Keras; this process need not have loaded it.
    for name in ("keras", "tensorflow", "tensorflow-cpu", "jax"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
