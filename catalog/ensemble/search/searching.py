"""The search: from a run's training sample to a profile with better settings."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

from psycopg import Connection

from catalog.database.ledger import Run, exclusive, fingerprint
from catalog.ensemble.search.proposals import (
    make_oracle,
    require_keras_tuner,
    search_trials,
    start_keras_tuner,
    trials_of_a_sweep,
)
from catalog.ensemble.search.results import SearchResult, write_tables
from catalog.ensemble.search.space import Axis, SearchSpace, apply_values, load_space
from catalog.ensemble.search.state import BASE, Method, SearchFolder, SearchRecord, TrialRecord
from catalog.ensemble.search.trial import SPLIT, TrialTrainer
from catalog.ensemble.space import told_of_full_disk
from catalog.ensemble.training.sample import read_sample
from catalog.ensemble.training.splits import MemberPlan, member_seed
from catalog.errors import ArtefactError, ConfigurationError, SampleError
from catalog.features import FEATURES_VERSION, training_digest
from catalog.profiles.model import NetworkSettings, TrainingSettings
from catalog.progress import Listener
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["DEFAULT_EPOCHS", "DEFAULT_TRIALS", "SearchListener", "SearchOptions", "search", "searches_folder"]

DEFAULT_TRIALS = 30
DEFAULT_EPOCHS = 40
"""Half of what the paper's networks took: enough to tell good settings from bad ones."""

SEARCH_VERSION = 1
"""Raised whenever the same trial gives another result."""

# On disk, with the paper's network; a search keeps one checkpoint, or, with Hyperband, one a trial.
_CHECKPOINT_BYTES = 24_000_000


class SearchListener(Listener):
    """Hears how a search goes on; this one ignores it all."""

    def trial(self, trial: TrialRecord, *, before: bool) -> None:
        """Hear how a trial ended; `before` says that it had been done when the search was taken up again."""


@dataclass(frozen=True)
class SearchOptions:
    """What is asked of a search."""

    method: Method = "bayesian"
    trials: int | None = None
    """Beside the profile's own settings; by default `DEFAULT_TRIALS`, or one sweep of Hyperband."""
    epochs: int | None = None
    """Of a trial, at most; by default `DEFAULT_EPOCHS`, or the profile's own maximum where that is less."""
    seed: int | None = None
    """Of the proposals; by default the profile's."""
    space: SearchSpace = field(default_factory=load_space)


def searches_folder(settings: Settings) -> Path:
    """Return the folder of all searches."""
    return settings.home / "tuning"


def search(
    connection: Connection,
    run: Run,
    settings: Settings,
    options: SearchOptions,
    progress: SearchListener | None = None,
) -> SearchResult:
    """Search settings of network and training with a lower validation MSE.

    The profile's own settings are trained first, to compare with. A search that was stopped, in the middle of a trial
    too, is taken up where it was; one that is done is shown; one that is asked for more trials goes on.

    Parameters
    ----------
    connection : psycopg.Connection
        Read from at first; no transaction is open while networks are trained.
    run : Run
    settings : Settings
    options : SearchOptions
    progress : SearchListener, optional
        Told the epochs done, how the trial at work stands, and how each trial ended.

    Returns
    -------
    SearchResult

    Raises
    ------
    ConfigurationError
        keras_tuner is not installed, or the space does not fit the profile.
    SampleError
        The run has no training sample, or too small a one.
    ArtefactError
        What an earlier search left is damaged.
    RvscatError
        Another process is at work on this search, or the disk is full.
    """
    require_keras_tuner()
    progress = SearchListener() if progress is None else progress
    profile = run.profile
    axes = options.space.axes(profile.network, profile.training)
    epochs = options.epochs or min(DEFAULT_EPOCHS, profile.training.max_epochs)
    seed = profile.training.seed if options.seed is None else options.seed
    if options.method == "hyperband" and epochs < 2:
        raise ConfigurationError("Hyperband needs trials of at least 2 epochs.", "Give more by --epochs.")
    with told_of_full_disk(settings.home, "the search"), ExitStack() as stack:
        progress(0, 1, "comparing the training sample with earlier searches")
        with exclusive(connection, run):
            sample, key = _keys(connection, run, options, epochs, seed)
            folder = stack.enter_context(SearchFolder.opened(searches_folder(settings), key))
            record = folder.described()
            planned = options.trials or (trials_of_a_sweep(epochs) if options.method == "hyperband" else DEFAULT_TRIALS)
            if record is not None:
                # Another profile may have the same sample, network and training: the result is for the one that asks.
                record = record.model_copy(update={"profile": profile, "run_id": run.run_id})
                if record.finished == planned:
                    return SearchResult(folder.path, record, folder.trials(), axes)
            progress(0, 1, "reading the training sample")
            stack.enter_context(_emptied(folder.sample))
            read = read_sample(connection, run, folder.sample, 4 * _CHECKPOINT_BYTES, "The search")
            arrays, notes = read.arrays, read.notes
        if record is None:
            record = SearchRecord(
                key=key,
                run_id=run.run_id,
                profile=profile,
                sample=sample,
                n_training=int((~arrays.validation[SPLIT]).sum()),
                n_validation=int(arrays.validation[SPLIT].sum()),
                method=options.method,
                seed=seed,
                epochs=epochs,
                space=options.space,
                started=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        record = record.model_copy(update={"planned": planned, "finished": None})
        folder.describe(record)
        tuner = start_keras_tuner()
        folder.checkpoints.mkdir(exist_ok=True)
        trainer = TrialTrainer(
            arrays,
            member_seed(profile.training, MemberPlan(0, SPLIT, 0)),
            folder.checkpoints,
            sample,
            epochs,
            keep=options.method == "hyperband",
        )
        work = _Search(folder, record, axes, trainer, progress)
        oracle = make_oracle(tuner, options.method, axes, seed, options.trials or _most(options), epochs, work.recorded)
        work.run(BASE, {}, epochs, None)
        search_trials(tuner, oracle, str(folder.path), epochs, work.run)
        record = record.model_copy(update={"finished": planned})
        folder.describe(record)
        rmtree(folder.checkpoints, ignore_errors=True)
        return SearchResult(folder.path, record, folder.trials(), axes, tuple(notes))


class _Search:
    """A search at work: does trials, unless they have been done, and tells of them."""

    def __init__(
        self,
        folder: SearchFolder,
        record: SearchRecord,
        axes: tuple[Axis, ...],
        trainer: TrialTrainer,
        progress: SearchListener,
    ) -> None:
        self._folder, self._record, self._axes = folder, record, axes
        self._trainer, self._progress = trainer, progress
        self._done: dict[int, TrialRecord] = {}
        # Those of an earlier beginning; read at once, so that a damaged one is known at once.
        self._before = {trial.number: trial for trial in folder.trials()}

    def recorded(self, number: int) -> dict[str, int | float] | None:
        """Return the values of a trial that has been done."""
        trial = self._before.get(number)
        return None if trial is None else trial.values

    def run(self, number: int, values: dict[str, int | float], epochs: int, parent: int | None) -> TrialRecord:
        """Do a trial, or return what came of it before."""
        trial = self._before.get(number)
        if trial is not None and (trial.values, trial.max_epochs) != (values, epochs):
            made = trial.versions.get("keras_tuner", "an unknown version")
            raise ArtefactError(
                f"Trial {number} of the search in {self._folder.path} has other settings than keras_tuner now proposes "
                f"for it; it was made with keras_tuner {made}.",
                f"Install that version, or remove the folder {self._folder.path} to search anew.",
            )
        before = trial is not None
        if trial is None:
            trial = self._train(number, values, epochs, parent)
            self._folder.write(trial)
            self._trainer.discard(*self._settings(values))
        self._done[number] = trial
        write_tables(SearchResult(self._folder.path, self._record, list(self._done.values()), self._axes))
        self._progress.trial(trial, before=before)
        self._tell(number + 1, 0, _ended(trial))
        return trial

    def _train(self, number: int, values: dict[str, int | float], epochs: int, parent: int | None) -> TrialRecord:
        network, training = self._settings(values)
        new = TrialRecord(number=number, status="failed", values=values, max_epochs=epochs)
        for other in self._done.values():
            same = self._settings(other.values) == (network, training)
            stopped_early = other.number == parent and other.epochs < other.max_epochs
            if same and (other.max_epochs == epochs or stopped_early):
                return other.model_copy(
                    update={"number": number, "values": values, "max_epochs": epochs, "same_as": other.number}
                )

        def on_epoch(epoch: int, figures: dict[str, float]) -> None:
            words = (
                f"{_named(number)}, epoch {epoch}: validation MSE {figures['val_mse']:.5f}, "
                f"learning rate {figures['learning_rate']:.1e}"
            )
            self._tell(number, epoch / epochs, words)
            self._progress.parts([self._row(number, epoch, epochs, figures)])

        def on_resume(epoch: int, _: dict[str, float]) -> None:
            self._tell(number, epoch / epochs, f"{_named(number)} goes on after epoch {epoch}")

        try:
            return self._trainer.train(new, network, training, on_epoch, on_resume)
        finally:
            self._progress.parts([])

    def _settings(self, values: dict[str, int | float]) -> tuple[NetworkSettings, TrainingSettings]:
        profile = self._record.profile
        if not values:
            return profile.network, profile.training
        return apply_values(self._axes, values, profile.network, profile.training)

    def _row(self, number: int, epoch: int, epochs: int, figures: dict[str, float]) -> dict[str, str]:
        scores = [trial.val_mse for trial in self._done.values() if trial.val_mse is not None]
        return {
            "trial": f"{number}/{self._record.planned}",
            "epoch": f"{epoch}/{epochs}",
            "loss": f"{figures['loss']:.5f}",
            "validation MSE": f"{figures['val_mse']:.5f}",
            "learning rate": f"{figures['learning_rate']:.1e}",
            "best so far": f"{min(scores):.5f}" if scores else "",
        }

    def _tell(self, trials: int, fraction: float, words: str) -> None:
        self._progress(trials + fraction, self._record.planned + 1, words)


def _named(number: int) -> str:
    return "the profile's own settings" if number == BASE else f"trial {number}"


def _ended(trial: TrialRecord) -> str:
    if trial.val_mse is None:
        return f"{_named(trial.number)} failed: {trial.message}"
    return f"{_named(trial.number)}: validation MSE {trial.val_mse:.5f}"


def _most(options: SearchOptions) -> int | None:
    return None if options.method == "hyperband" else DEFAULT_TRIALS


def _keys(connection: Connection, run: Run, options: SearchOptions, epochs: int, seed: int) -> tuple[str, str]:
    """Return the fingerprints of the training sample and of the search."""
    n, digest = training_digest(connection, run)
    if n == 0:
        raise SampleError(
            f"Run {run.run_id} has no training sample yet.",
            f"Run `rvscat sample --profile {run.profile.name}` first, or `rvscat run`.",
        )
    release, profile = load_release(run.profile.release), run.profile
    sample = fingerprint(
        FEATURES_VERSION,
        run.release,
        [n, digest],
        release.rvs.model_dump(mode="json"),
        release.xp.model_dump(mode="json"),
        profile.training.model_dump(mode="json", include={"seed", "splits", "train_fraction"}),
    )
    key = fingerprint(
        SEARCH_VERSION,
        sample,
        profile.network.model_dump(mode="json"),
        # What a trial does not look at.
        profile.training.model_dump(mode="json", exclude={"initialisations", "max_epochs", "drop_above_percentile"}),
        options.space.model_dump(mode="json"),
        [options.method, epochs, seed],
    )
    return sample, key


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Make a folder, and remove it with all that it holds."""
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield
    finally:
        rmtree(folder, ignore_errors=True)
