"""Ranges of the sky labelled as parts: the labels of a whole labelling, in whatever order and however often."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

from catalog.database import ledger
from catalog.database.elsewhere import Assignment, assign, elsewhere
from catalog.database.ledger import Run, StageResult
from catalog.ensemble.prediction import elsewhere as parts
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.errors import ConfigurationError, RvscatError
from catalog.features import ranges
from catalog.settings import Settings
from catalog.tasks import distribute_by
from tests.ensemble.outcomes import ensemble_folder, labels_of
from tests.features.sky import Sky
from tests.task_runners import OddRunner


@pytest.fixture
def whole(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    sky: Sky,
    in_process: object,
    monkeypatch: pytest.MonkeyPatch,
) -> np.ndarray:
    """Labels of all stars, as they come without parts; parts have ten stars."""
    monkeypatch.setattr(ranges, "PART_STARS", 10)
    train_ensemble(connection, run, settings)
    predict_labels(connection, run, settings)
    return labels_of(connection, run)


def forget(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM production.label")
    connection.commit()


def test_parts_give_the_same_labels(
    connection: psycopg.Connection, run: Run, settings: Settings, whole: np.ndarray
) -> None:
    here = predict_labels(connection, run, settings)
    forget(connection)
    runner = OddRunner(lost=[0, 2])
    told: list[tuple[float, float, str]] = []
    with distribute_by(runner):
        result = predict_labels(connection, run, settings, lambda *words: told.append(words))
    np.testing.assert_array_equal(labels_of(connection, run), whole)
    assert len(runner.done) > 4
    assert result.notes == [*here.notes, f"Lost with their workers and done again: 2 of {len(runner.done)} parts."]
    same = {name: value for name, value in here.counts.items() if name != "threads"}
    assert {name: result.counts[name] for name in same} == same
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert any(f"part 3 of {len(runner.done)}" in words for _, _, words in told)
    # Whatever is given out, no password is.
    assert all(set(map(type, part.values())) <= {int, str, type(None)} for part in runner.done)
    assert not any("postgres" in str(value) for part in runner.done for value in part.values())


@pytest.mark.parametrize("by_parts", [True, False])
def test_a_labelling_that_was_stopped_goes_on_by_parts_or_without(
    connection: psycopg.Connection, run: Run, settings: Settings, whole: np.ndarray, by_parts: bool
) -> None:
    forget(connection)
    with distribute_by(OddRunner(stop_after=3)), pytest.raises(KeyboardInterrupt):
        predict_labels(connection, run, settings)
    connection.rollback()
    left = labels_of(connection, run)
    assert 0 < len(left) < len(whole)
    # The last ones, since parts were done from behind.
    np.testing.assert_array_equal(left, whole[-len(left) :])
    connection.commit()
    runner = OddRunner()
    if by_parts:
        with distribute_by(runner):
            result = predict_labels(connection, run, settings)
        assert sum(part["n_stars"] for part in runner.done) == len(whole) - len(left)
        assert any(f"{len(left)} stars had been labelled before" in note for note in result.notes)
    else:
        predict_labels(connection, run, settings)
    np.testing.assert_array_equal(labels_of(connection, run), whole)


def test_a_part_that_is_lost_again_and_again(
    connection: psycopg.Connection, run: Run, settings: Settings, whole: np.ndarray
) -> None:
    forget(connection)
    with (
        distribute_by(OddRunner(lost=[0, 0, 0, 0])),
        pytest.raises(RvscatError, match=r"Part 1 of \d+ was lost 3 times: Its worker was lost\. Parts that were done"),
    ):
        predict_labels(connection, run, settings)
    connection.rollback()
    assert 0 < len(labels_of(connection, run)) < len(whole)


def test_a_part_of_a_command_that_has_ended_writes_nothing(
    connection: psycopg.Connection, run: Run, settings: Settings, whole: np.ndarray
) -> None:
    runner = OddRunner()

    def work() -> StageResult:
        with distribute_by(runner):
            return predict_labels(connection, run, settings)

    ledger.perform(connection, run, "predict", "key", work)
    forget(connection)
    assert all(part["attempt"] is not None for part in runner.done)
    with pytest.raises(RvscatError, match=r"The command that gave out labels .* has ended: nothing was written"):
        parts.label_range(**runner.done[0])
    assert len(labels_of(connection, run)) == 0


def test_a_worker_with_another_version_database_or_folder_is_named(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    whole: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    right = assign(connection, run, "predict", settings)
    connection.commit()

    def refused(assignment: Assignment, words: str) -> None:
        with pytest.raises(ConfigurationError, match=words), elsewhere(assignment):
            pass

    with elsewhere(right) as here:
        assert here.run == run
    refused(replace(right, rvscat_version="0.0"), "has rvscat .*; the command runs on 0.0")
    refused(replace(right, run_begun="1.5"), "in which run 1 is another one")
    refused(replace(right, run_id=7), "in which run 7 is another one, or none")
    runner = OddRunner()
    with distribute_by(runner):
        predict_labels(connection, run, settings)
    ensemble_folder(settings).rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match=r"does not see the ensemble .*RVSCAT_HOME"):
        parts.label_range(**runner.done[0])
    monkeypatch.delenv("RVSCAT_DATABASE_URL")
    refused(right, r"is not told which database to use\. Start workers with the same RVSCAT_DATABASE_URL")
    refused(replace(right, embedded_on="head"), "the embedded server is for one machine")
