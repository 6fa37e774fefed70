"""The stages that train an ensemble and that label stars with it."""

import shutil
from pathlib import Path
from typing import Any

from psycopg import Connection

from catalog.database.ledger import Run, StageResult
from catalog.ensemble.prediction.labelling import predict_labels
from catalog.ensemble.registry.artefact import Manifest, verify_artefact
from catalog.ensemble.registry.keys import ensemble_keys, folder_name
from catalog.ensemble.registry.records import begin_ensemble, find_networks, register_ensemble
from catalog.ensemble.training.building import build_ensemble
from catalog.ensemble.training.elsewhere import TrainedElsewhere
from catalog.ensemble.training.outcome import verdicts_of
from catalog.ensemble.training.work import discard_work
from catalog.errors import ArtefactError
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.tasks import task_runner

__all__ = ["predict_labels", "train_ensemble"]


def train_ensemble(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Train the ensemble that `run` needs, unless it exists (Sects. 3.1 to 3.4).

    An ensemble with the same key (training sample, settings, grid) and an intact folder is used again. A training
    that was stopped goes on with the members that are missing, each after its last checkpoint, and gives what it would
    have given. Where this process has a task runner (see `catalog.tasks`), its workers train the members.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    settings : Settings
    progress : Progress
        Told the epochs done of all members, and the figures of the last one; a `Listener` hears of all members at
        work.

    Returns
    -------
    StageResult
        Members, how many were dropped, epochs of each, best validation loss, dispersion of each label on the training
        sample by all members and by those that had not seen the star, and their coverage.

    Raises
    ------
    SampleError
        The training sample is too small to split, or holds a value that is not finite.
    ConfigurationError
        The settings name a task runner that this process does not have, or that cannot be used.
    TrainingError
        A training process ended before its time; what was trained is kept.
    RvscatError
        A member has diverged with every seed, the disk is full, or another process trains the same networks.
    """
    runner = task_runner(settings)
    progress(0, 1, "comparing the training sample with known ensembles")
    key, training_key = ensemble_keys(connection, run)
    connection.commit()
    folder = settings.ensembles / folder_name(key)
    notes: list[str] = []
    manifest = _intact(folder, key, run, notes)
    trained = manifest is None
    if manifest is None:
        begin_ensemble(connection, run, key, folder, settings_of(run, training_key))
        networks = find_networks(connection, training_key, key)
        trainer = None if runner is None else TrainedElsewhere(runner)
        manifest, read_notes = build_ensemble(
            connection, run, folder, key, training_key, settings.workers, networks, progress, trainer
        )
        notes.extend(read_notes)
    else:
        # A training that was killed at its very end leaves its folder.
        discard_work(settings.ensembles, training_key)
        notes.append(
            f"The ensemble {folder.name} exists for this training sample and these settings: it is used again."
        )
    ensemble_id = register_ensemble(connection, run, folder, manifest, settings_of(run, training_key))
    connection.commit()
    notes.extend(manifest.notes)
    return StageResult(_counts(manifest, ensemble_id, trained), notes)


def settings_of(run: Run, training_key: str) -> dict[str, Any]:
    """Return what ``production.ensemble.settings`` keeps."""
    profile = run.profile
    return {
        "training_key": training_key,
        "network": profile.network.model_dump(mode="json"),
        "training": profile.training.model_dump(mode="json"),
        "uncertainty": profile.uncertainty.model_dump(mode="json"),
    }


def _intact(folder: Path, key: str, run: Run, notes: list[str]) -> Manifest | None:
    """Return the manifest of a whole ensemble; put a damaged one aside."""
    if not folder.exists():
        return None
    try:
        manifest = verify_artefact(folder, load_release(run.profile.release).rvs)
        if manifest.key != key:
            raise ArtefactError(f"The ensemble {folder} has another key than its place.")
    except ArtefactError as error:
        aside = folder.with_name(f"{folder.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        notes.append(f"{error.message} It was put aside as {aside.name} and trained again.")
        return None
    return manifest


def _counts(manifest: Manifest, ensemble_id: int, trained: bool) -> dict[str, Any]:
    members, verdicts = manifest.members, verdicts_of(manifest)
    best = min(members, key=lambda record: record.val_loss)
    counts: dict[str, Any] = {
        "ensemble_id": ensemble_id,
        "ensemble": folder_name(manifest.key),
        "training": manifest.n_training,
        "members": len(members),
        "members_trained": len(verdicts) if trained else 0,
        "members_dropped": sum(not verdict.kept for verdict in verdicts),
        "epochs": ", ".join(str(record.epochs) for record in members),
        "best_epochs": ", ".join(str(record.best_epoch) for record in members),
        "best_val_loss": round(best.val_loss, 6),
        "best_val_mse": round(best.val_mse, 6),
        "training_wall_s": round(manifest.wall_s, 1) if trained else 0.0,
    }
    for name in ("all_members", "out_of_fold"):
        for label in LABELS:
            figures = manifest.metrics[name][label.name]
            if figures["n"]:
                counts[f"{name}/dispersion/{label.name}"] = round(figures["dispersion"], label.decimals + 1)
                counts[f"{name}/coverage/{label.name}"] = round(figures["coverage_1"], 3)
    calibrated = manifest.uncertainty.get("calibrated")
    if calibrated is not None:
        for label_name, fraction in calibrated["cross_validation"]["coverage_1"].items():
            if fraction is not None:
                counts[f"calibrated/coverage/{label_name}"] = round(fraction, 3)
    return counts
