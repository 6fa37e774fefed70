"""From a training sample to a whole ensemble on disk."""

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection

from catalog import __version__
from catalog.database.ledger import Run
from catalog.ensemble.calibration import calibrate_out_of_fold
from catalog.ensemble.metrics import out_of_fold, residual_metrics
from catalog.ensemble.prediction.loading import combine
from catalog.ensemble.registry.artefact import FORMAT_VERSION, Manifest, write_artefact
from catalog.ensemble.space import told_of_full_disk
from catalog.ensemble.training.gathering import adopt_members, finished_member
from catalog.ensemble.training.outcome import MemberOutcome, Verdict, choose_members
from catalog.ensemble.training.pool import Trainer, train_members
from catalog.ensemble.training.sample import read_sample
from catalog.ensemble.training.splits import MemberPlan, plan_members
from catalog.ensemble.training.task import Task, member_files
from catalog.ensemble.training.watch import TrainingWatch
from catalog.ensemble.training.work import discard_work, remove_abandoned, remove_partial, work_folder
from catalog.ensemble.uncertainty import fit_dispersions, overall_sigma
from catalog.errors import TrainingError
from catalog.features import (
    FEATURES_VERSION,
    Scalers,
    TrainingSet,
)
from catalog.metadata import LABELS
from catalog.profiles import Profile
from catalog.progress import Progress
from catalog.releases import load_release

__all__ = ["build_ensemble"]

# On disk, with the paper's network: a member with its copy in the ensemble, and a checkpoint with its successor.
_MEMBER_BYTES = 7_000_000
_CHECKPOINT_BYTES = 24_000_000


def build_ensemble(
    connection: Connection,
    run: Run,
    folder: Path,
    key: str,
    training_key: str,
    workers: int,
    networks: list[Path],
    progress: Progress,
    trainer: Trainer | None = None,
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
        See `catalog.ensemble.registry.keys`.
    workers : int
        Members trained at once.
    networks : list of pathlib.Path
        Ensembles with the same training, whose networks need not be trained again.
    progress : Progress
    trainer : Trainer, optional
        Trains the members; by default `train_members`, in processes of this machine.

    Returns
    -------
    Manifest
    list of str
        Notes on stars that were left out, and on trainings that were stopped and went on.

    Raises
    ------
    SampleError
        The training sample is too small to split, or holds a value that is not finite.
    TrainingError
        A training process ended before its time.
    RvscatError
        A member has diverged with every seed, the disk is full, or another process trains these networks.
    """
    start = time.perf_counter()
    profile, release = run.profile, load_release(run.profile.release)
    plans = plan_members(profile.training)
    notes = remove_abandoned(folder.parent, training_key)
    with work_folder(folder.parent, training_key) as work, told_of_full_disk(folder.parent, "the ensemble"):
        progress(0, 1, "reading the training sample")
        room = len(plans) * _MEMBER_BYTES + workers * _CHECKPOINT_BYTES
        sample = read_sample(connection, run, work, room, "The training")
        training, masks, scalers = sample.training, sample.arrays.validation, sample.scalers
        task = Task(work, sample.arrays, profile.network, profile.training, training_key)
        task.save()
        adopt_members(task.members, networks, scalers)
        outcomes, watch = _train(task, plans, workers, progress, trainer or train_members)
        verdicts = choose_members(outcomes, profile.training.drop_above_percentile)
        kept = [verdict.outcome for verdict in verdicts if verdict.kept]
        scaled = np.stack([np.load(member_files(task.members, o.member)[2], allow_pickle=False) for o in kept])
        # As they are kept: uncertainties can be computed again from what lies in the folder.
        predictions = scalers.labels.inverse_transform(scaled).astype(np.float32)
        metrics, uncertainty = _judge(training, predictions, masks, np.array([o.split for o in kept]), profile)
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
            members=tuple(outcome.record() for outcome in kept),
            metrics={**metrics, "members": [verdict.model_dump(mode="json") for verdict in verdicts]},
            uncertainty=uncertainty,
            notes=tuple(_constant_notes(scalers) + _member_notes(verdicts)),
            versions=_versions(),
            wall_s=time.perf_counter() - start,
        )
        stars = {"source_id": training.source_id, "labels": training.labels, "validation": masks}
        kept_arrays = {**stars, "predictions": predictions}
        try:
            write_artefact(folder, manifest, scalers, task.members, kept_arrays)
        except OSError:
            remove_partial(folder)
            raise
        discard_work(folder.parent, training_key)
    return manifest, notes + sample.notes + watch.notes


def _train(
    task: Task, plans: list[MemberPlan], workers: int, progress: Progress, trainer: Trainer
) -> tuple[list[MemberOutcome], TrainingWatch]:
    """Train the members that are missing; return the outcomes of all."""
    before = {plan: outcome for plan in plans if (outcome := finished_member(task.members, plan)) is not None}
    missing = [plan for plan in plans if plan not in before]
    watch = TrainingWatch(task.training, len(plans), [outcome.epochs for outcome in before.values()], progress)
    if missing:
        try:
            trainer(task.folder, missing, workers, watch)
        finally:
            watch.end()
    outcomes = before | {plan: finished_member(task.members, plan) for plan in missing}
    if spoilt := [str(plan.member + 1) for plan, outcome in outcomes.items() if outcome is None]:
        raise TrainingError(
            f"The files of member {', '.join(spoilt)} in {task.members} are not those that its training wrote.",
            "Run the command again: what is whole is kept, the rest is trained once more.",
        )
    return [outcome for plan in plans if (outcome := outcomes[plan]) is not None], watch


def _member_notes(verdicts: list[Verdict]) -> list[str]:
    """Return what a person should know of members that diverged, were dropped, or have not had their chance."""
    notes = []
    for verdict in verdicts:
        outcome = verdict.outcome
        name = f"Member {outcome.member + 1}"
        notes += [
            f"{name} diverged with seed {failure.seed} ({failure.message}): trained with the next seed."
            for failure in outcome.failures
        ]
        if not verdict.kept:
            notes.append(f"{name} was dropped: {verdict.why}.")
        elif outcome.constant_mse is not None and outcome.val_mse >= outcome.constant_mse > 0.0:
            notes.append(
                f"{name} is no better than a constant after {outcome.epochs} epochs: its validation MSE is "
                f"{outcome.val_mse:.3g}, that of the mean label {outcome.constant_mse:.3g}."
            )
    return notes


def _judge(
    training: TrainingSet, predictions: np.ndarray, masks: np.ndarray, splits: np.ndarray, profile: Profile
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metrics of an ensemble on its training sample, and the fits behind its uncertainties."""
    mean, deviation = combine(predictions)
    fits = fit_dispersions(training.labels, mean, profile.uncertainty)
    sigma = overall_sigma(fits, mean, deviation)
    unseen = out_of_fold(predictions, masks, splits)
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
    judged = calibrate_out_of_fold(training.labels, predictions, masks, splits, profile.uncertainty)
    uncertainty["calibrated"] = judged.description()
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
    # The training processes used Keras; this process need not have loaded it. What each member was trained on is
    # among the metrics.
    for name in ("keras", "tensorflow", "tensorflow-cpu", "jax"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
