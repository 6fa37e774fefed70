"""Members that are there already: trained before a training was stopped, or for another ensemble."""

import shutil
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from catalog.ensemble.registry.artefact import network_file, read_training, verify_artefact
from catalog.ensemble.registry.files import sha256_file, write_whole
from catalog.ensemble.training.outcome import MemberOutcome, verdicts_of
from catalog.ensemble.training.splits import MemberPlan
from catalog.ensemble.training.task import member_files
from catalog.errors import ArtefactError
from catalog.features import Scalers

__all__ = ["adopt_members", "finished_member"]


def finished_member(members: Path, plan: MemberPlan) -> MemberOutcome | None:
    """Return the outcome of a member whose files are whole, or None.

    Parameters
    ----------
    members : pathlib.Path
        Folder of the members' files.
    plan : MemberPlan

    Returns
    -------
    MemberOutcome or None
    """
    network, outcome_file, predictions = member_files(members, plan.member)
    try:
        outcome = MemberOutcome.model_validate_json(outcome_file.read_text())
        whole = sha256_file(network) == outcome.file_sha256 and sha256_file(predictions) == outcome.predictions_sha256
    except (FileNotFoundError, ValidationError):
        return None
    return outcome if whole else None


def adopt_members(members: Path, ensembles: list[Path], scalers: Scalers) -> None:
    """Take over the networks of ensembles that were trained in the same way on the same stars.

    Parameters
    ----------
    members : pathlib.Path
        Folder of the members' files.
    ensembles : list of pathlib.Path
        Folders of saved ensembles; those that are not whole are passed over.
    scalers : Scalers
        Of the training sample.
    """
    for path in ensembles:
        try:
            manifest = verify_artefact(path)
        except ArtefactError:
            continue  # not whole: its networks are trained once more
        predictions = scalers.labels.transform(read_training(path)["predictions"]).astype(np.float32)
        kept = [verdict.outcome for verdict in verdicts_of(manifest) if verdict.kept]
        for outcome, scaled in zip(kept, predictions, strict=True):
            plan = MemberPlan(outcome.member, outcome.split, outcome.initialisation)
            if finished_member(members, plan) is None:
                _take_over(members, path, outcome, scaled)


def _take_over(members: Path, path: Path, outcome: MemberOutcome, scaled: np.ndarray) -> None:
    network, outcome_file, prediction_file = member_files(members, outcome.member)
    shutil.copyfile(network_file(path, outcome.member), network)
    write_whole(prediction_file, lambda temporary: np.save(temporary, scaled))
    taken = outcome.model_copy(update={"predictions_sha256": sha256_file(prediction_file)})
    write_whole(outcome_file, lambda temporary: temporary.write_text(taken.model_dump_json()))
