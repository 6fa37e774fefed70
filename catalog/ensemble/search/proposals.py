"""keras_tuner, which proposes the trials: imported late and quietly, and made to repeat itself.

With a seed, its oracles propose the same trials each time only as long as nobody stops them: the state of their random
numbers is not kept. Here each proposal draws from a stream of its own, made from the seed and the trial's number, so
that it depends on the results of the trials before it and on nothing else.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from catalog.ensemble.backend import start_keras
from catalog.ensemble.search.space import Axis
from catalog.ensemble.search.state import Method, TrialRecord
from catalog.errors import ConfigurationError

__all__ = ["OBJECTIVE", "make_oracle", "require_keras_tuner", "search_trials", "start_keras_tuner", "trials_of_a_sweep"]

OBJECTIVE = "val_mse"

_FACTOR = 3
"""Of Hyperband: one of so many trials goes on, for so many times the epochs."""

Run = Callable[[int, dict[str, int | float], int, int | None], TrialRecord]
"""Does a trial: number, values, epochs at most, and the trial that it goes on from."""


def require_keras_tuner() -> None:
    """Refuse a search without keras_tuner.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    if find_spec("keras_tuner") is None:
        raise ConfigurationError(
            "The search needs keras_tuner, which is not installed.", "Install it: `pip install 'rvscat[tune]'`."
        )


def start_keras_tuner() -> Any:
    """Import keras_tuner, and Keras before it.

    Returns
    -------
    module
        ``keras_tuner``.
    """
    require_keras_tuner()
    # As for the members of an ensemble: with one thread the same seed gives the same weights.
    start_keras(threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("keras_tuner")


def make_oracle(
    tuner: Any,
    method: Method,
    axes: tuple[Axis, ...],
    seed: int,
    trials: int | None,
    epochs: int,
    recorded: Callable[[int], Mapping[str, int | float] | None],
) -> Any:
    """Make what proposes the trials.

    Parameters
    ----------
    tuner : module
        ``keras_tuner``.
    method : str
    axes : tuple of Axis
    seed : int
    trials : int or None
        How many at most; None for one sweep of Hyperband.
    epochs : int
        Of a trial, at most.
    recorded : callable
        Gives the values of a trial that has been done, by its number from 1: a Gaussian process takes seconds to
        propose them again.

    Returns
    -------
    keras_tuner.Oracle
    """
    oracles = tuner.oracles
    settings: dict[str, Any] = {
        "objective": tuner.Objective(OBJECTIVE, "min"),
        "hyperparameters": _hyperparameters(tuner, axes),
        # keras_tuner takes 0 for no seed.
        "seed": _stream(seed, 0) or 1,
        # Trials that fail are told of; they do not end the search.
        "max_consecutive_failed_trials": None,
    }
    if method == "hyperband":
        made = _repeatable(oracles.HyperbandOracle, axes, seed, None)(
            max_epochs=epochs, factor=_FACTOR, hyperband_iterations=1 if trials is None else None, **settings
        )
        made.max_trials = trials
    elif method == "bayesian":
        # Of keras_tuner's own default, three times the number of dimensions, nothing would be left of a short search.
        settings["num_initial_points"] = len(axes) + 1
        made = _repeatable(oracles.BayesianOptimizationOracle, axes, seed, recorded)(max_trials=trials, **settings)
    else:
        made = _repeatable(oracles.RandomSearchOracle, axes, seed, None)(max_trials=trials, **settings)
    made.verbose = 0
    return made


def trials_of_a_sweep(epochs: int) -> int:
    """Return how many trials one sweep of Hyperband has.

    Parameters
    ----------
    epochs : int
        Of a trial, at most.
    """
    brackets = int(math.log(epochs, _FACTOR) + 1e-9) + 1
    end = math.ceil(1 + math.log(epochs, _FACTOR))
    return sum(
        math.ceil(end / (bracket + 1) * _FACTOR ** (bracket - step))
        for bracket in range(brackets)
        for step in range(bracket + 1)
    )


def search_trials(tuner: Any, oracle: Any, folder: str, epochs: int, run: Run) -> None:
    """Do the trials that an oracle proposes, one after the other, until it has no more.

    Parameters
    ----------
    tuner : module
        ``keras_tuner``.
    oracle : keras_tuner.Oracle
    folder : str
        Existing folder; nothing is written there.
    epochs : int
        Of a trial, where the oracle does not say.
    run : callable
    """

    # keras_tuner is imported when it is needed, and publishes no types.
    class SessionTuner(tuner.Tuner):  # type: ignore[misc, name-defined, unused-ignore]
        """Trains by `run`, which uses the training session of the ensemble, and keeps no state."""

        def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
            values = dict(trial.hyperparameters.values)
            limit, parent = int(values.pop("tuner/epochs", epochs)), values.pop("tuner/trial_id", None)
            values = {name: value for name, value in values.items() if not name.startswith("tuner/")}
            try:
                record = run(int(trial.trial_id) + 1, values, limit, None if parent is None else int(parent) + 1)
            except Exception as error:
                # Any other class would make keras_tuner go on with the next trial.
                raise tuner.errors.FatalError(str(error)) from error
            if record.val_mse is None:
                raise tuner.errors.FailedTrialError(record.message)
            return {OBJECTIVE: record.val_mse}

        def save(self) -> None:
            """Keep nothing."""

        def reload(self) -> None:
            """Take nothing up."""

    with _quiet():
        try:
            SessionTuner(oracle, directory=folder, project_name=".").search(verbose=0)
        except tuner.errors.FatalError as error:
            raise (error.__cause__ or error) from None


def _hyperparameters(tuner: Any, axes: tuple[Axis, ...]) -> Any:
    found = tuner.HyperParameters()
    for axis in axes:
        dimension, values = axis.dimension, [axis.value(value) for value in axis.dimension.values()]
        if values:
            found.Choice(axis.name, values)
            continue
        make = found.Int if axis.whole else found.Float
        make(
            axis.name,
            axis.value(dimension.low or 0.0),
            axis.value(dimension.high or 0.0),
            sampling="log" if dimension.log else "linear",
        )
    return found


def _repeatable(
    base: Any, axes: tuple[Axis, ...], seed: int, recorded: Callable[[int], Mapping[str, int | float] | None] | None
) -> Any:
    """Return a class of oracles that propose the same after the same results, and that write nothing."""

    # Which class `base` is depends on the method, and keras_tuner publishes no types.
    class Oracle(base):  # type: ignore[misc, unused-ignore]
        def populate_space(self, trial_id: str) -> Any:
            number = len(self.trials) + 1
            if recorded is not None and (known := recorded(number)) is not None:
                return {"status": "RUNNING", "values": dict(known)}
            self._seed_state = _stream(seed, number)
            if hasattr(self, "_random_state"):
                self._random_state = np.random.RandomState(_stream(seed, number))
            response = super().populate_space(trial_id)
            if values := response.get("values"):
                # What is trained, written into the profile and learnt from is one and the same number.
                response["values"] = values | {axis.name: axis.value(values[axis.name]) for axis in axes}
            return response

        def score_trial(self, trial: Any) -> None:
            super().score_trial(trial)
            # Errors span decades: what separates good trials must not vanish beside the bad ones.
            trial.score = math.log10(max(trial.score, 1e-12))

        def save(self) -> None:
            """Keep nothing."""

        def _save_trial(self, trial: Any) -> None:
            """Keep nothing."""

    return Oracle


def _stream(seed: int, number: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what keras_tuner and the Gaussian process say to their developers."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"keras_tuner\.")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"scipy\.optimize\.")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        yield
