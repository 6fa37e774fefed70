"""How the training of each member ended, and which members the ensemble keeps."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from catalog.ensemble.registry.artefact import Manifest, MemberRecord

__all__ = ["Failure", "MemberOutcome", "Verdict", "choose_members", "verdicts_of"]

_MEMBERS = "members"


class Failure(BaseModel):
    """A training of a member that came to nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    message: str


class MemberOutcome(MemberRecord):
    """A trained member, with what the training alone knows of it."""

    constant_mse: float | None = None
    """Validation MSE of the mean label, on the scaled labels."""
    failures: tuple[Failure, ...] = ()
    """Seeds that had diverged before."""
    backend: str = ""
    """What it was trained on, with its version."""

    def record(self) -> MemberRecord:
        """Return what an ensemble's manifest holds of it."""
        return MemberRecord.model_validate(self.model_dump(include=set(MemberRecord.model_fields)))


class Verdict(BaseModel):
    """Whether an ensemble keeps a member."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kept: bool
    why: str
    """The rule, with its numbers."""
    outcome: MemberOutcome


def choose_members(outcomes: Sequence[MemberOutcome], percentile: float | None) -> list[Verdict]:
    """Decide which members an ensemble averages over.

    Parameters
    ----------
    outcomes : sequence of MemberOutcome
        Of all members that were trained.
    percentile : float or None
        Members whose best validation loss is above this percentile of all are dropped; None keeps all, as the paper
        does.

    Returns
    -------
    list of Verdict
        One a member, in the order of `outcomes`; at least one is kept.
    """
    if percentile is None:
        return [Verdict(kept=True, why="all members are kept", outcome=outcome) for outcome in outcomes]
    limit = float(np.percentile([outcome.val_loss for outcome in outcomes], percentile))
    verdicts = []
    for outcome in outcomes:
        kept = outcome.val_loss <= limit
        why = (
            f"best validation loss {outcome.val_loss:.6g} is {'not above' if kept else 'above'} {limit:.6g}, "
            f"percentile {percentile:g} of {len(outcomes)} members"
        )
        verdicts.append(Verdict(kept=kept, why=why, outcome=outcome))
    return verdicts


def verdicts_of(manifest: Manifest) -> list[Verdict]:
    """Return the verdicts on all members of a saved ensemble, dropped ones included.

    Parameters
    ----------
    manifest : Manifest
        Its metrics hold them under ``members``; without them, its members are those that were kept.

    Returns
    -------
    list of Verdict
    """
    if _MEMBERS in manifest.metrics:
        return [Verdict.model_validate(each) for each in manifest.metrics[_MEMBERS]]
    return choose_members([MemberOutcome.model_validate(record.model_dump()) for record in manifest.members], None)
