"""Which studies there are, and what each of them is given and gives."""

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

from psycopg import Connection

from catalog.database.ledger import Run
from catalog.errors import NotFoundError
from catalog.progress import Progress
from catalog.settings import Settings

__all__ = ["STUDIES", "Study", "StudyFunction", "find_study"]


class StudyFunction(Protocol):
    """Studies an ensemble and writes what it found.

    It replaces its own earlier rows of that ensemble, and leaves them in the transaction: the stage commits them
    together with the record that the study is done. What it is to keep when it is interrupted, it keeps in
    `catalog.ensemble.studies.work`.
    """

    def __call__(
        self,
        connection: Connection,
        run: Run,
        ensemble_id: int,
        folder: Path,
        settings: Settings,
        progress: Progress,
        /,
    ) -> dict[str, Any]:
        """Study the ensemble in `folder` with the training sample of `run`; return figures that sum it up.

        The list under ``"notes"``, if there is one, holds sentences that a person should read. The settings of the
        study are those of its name in ``run.profile.studies``.
        """


@dataclass(frozen=True)
class Study:
    """One study."""

    title: str
    target: str
    """``module:function``, a `StudyFunction`; resolved when it is needed, since Keras takes seconds to import."""
    version: int = 1
    """Raised whenever the same settings give another result: the study is then done again."""

    def resolve(self) -> StudyFunction:
        """Return the function."""
        function: StudyFunction = resolve_name(self.target)
        return function


STUDIES: dict[str, Study] = {
    # The names are those of the fields of `StudySettings`, and of rows of production.study.
    "sensitivity": Study("Sensitivity maps", "catalog.ensemble.studies.sensitivity:study_sensitivity"),
    "robustness": Study("Robustness of the labels", "catalog.ensemble.studies.robustness:study_robustness"),
}


def find_study(name: str) -> Study:
    """Return the study of that name.

    Raises
    ------
    NotFoundError
        There is none.
    """
    if name not in STUDIES:
        raise NotFoundError(f"There is no study {name!r}.", f"Studies: {', '.join(STUDIES)}.")
    return STUDIES[name]
