from pathlib import Path

import pytest

from catalog.ensemble.registry.artefact import MemberRecord, verify_artefact
from catalog.ensemble.training.outcome import Failure, MemberOutcome, choose_members, verdicts_of


def outcome(member: int, val_loss: float) -> MemberOutcome:
    return MemberOutcome(
        member=member, split=0, initialisation=member, seed=1, attempt=1, epochs=2, best_epoch=1, val_loss=val_loss,
        val_mse=0.1, history={"loss": [1.0, 2.0]}, weights_sha256="", file_sha256="", predictions_sha256="", wall_s=1.0,
        constant_mse=0.5, failures=(Failure(seed=7, message="nan"),), backend="none 1",
    )  # fmt: skip


def test_all_members_are_kept_unless_a_percentile_is_set() -> None:
    verdicts = choose_members([outcome(0, 9.0), outcome(1, 0.1)], None)
    assert [verdict.kept for verdict in verdicts] == [True, True]


def test_the_worst_fifth_is_dropped_and_the_rule_is_said() -> None:
    losses = [0.5, 0.1, 0.9, 0.2, 0.3, 0.8, 0.4, 0.6, 0.7, 1.0]
    verdicts = choose_members([outcome(i, loss) for i, loss in enumerate(losses)], 80.0)
    assert [verdict.outcome.member for verdict in verdicts if not verdict.kept] == [2, 9]
    assert verdicts[9].why == "best validation loss 1 is above 0.82, percentile 80 of 10 members"
    assert "0.1 is not above 0.82" in verdicts[1].why


@pytest.mark.parametrize("losses", [[0.3], [0.3, 0.3, 0.3], [0.1, 0.2]])
def test_somebody_always_stays(losses: list[float]) -> None:
    assert any(v.kept for v in choose_members([outcome(i, loss) for i, loss in enumerate(losses)], 1.0))


def test_a_manifest_holds_the_record_and_the_verdicts(artefact: Path) -> None:
    one = outcome(3, 0.2)
    assert MemberOutcome.model_validate_json(one.model_dump_json()) == one
    assert type(one.record()) is MemberRecord
    manifest = verify_artefact(artefact)
    # An ensemble that says nothing of verdicts keeps what it has.
    assert [(verdict.kept, verdict.outcome.member) for verdict in verdicts_of(manifest)] == [(True, 0), (True, 1)]
    told = choose_members([outcome(0, 0.2), outcome(1, 0.4)], 50.0)
    metrics = {"members": [verdict.model_dump(mode="json") for verdict in told]}
    assert verdicts_of(manifest.model_copy(update={"metrics": metrics})) == told
