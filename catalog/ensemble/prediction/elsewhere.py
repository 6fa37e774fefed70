"""Stars labelled by others: ranges of the sky as parts, by the workers of a task runner.

A part gets the numbers of run, ensemble and pixels. It reads its stars from the database and writes their labels in
one transaction: all of them, or none. A star's labels depend on nobody else's: they are the same wherever the sky is
cut.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.database.elsewhere import Assignment, elsewhere
from catalog.database.ledger import Run
from catalog.ensemble.prediction.labels import Labels, first_stars, label_pages
from catalog.ensemble.prediction.loading import Ensemble, load_ensemble
from catalog.ensemble.prediction.writing import delete_labels, write_labels
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.registry.files import sha256_file
from catalog.errors import ConfigurationError
from catalog.features import FeatureReport, Page
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.tasks import Part, TaskRunner, do_parts

__all__ = ["Used", "label_elsewhere", "label_range"]

_TARGET = f"{__name__}:label_range"

# Threads of a worker share the networks.
_loading = threading.Lock()
_kept: dict[tuple[str, str, str], Ensemble] = {}


@dataclass
class Used:
    """What labelled the stars."""

    n_members: int
    runtime: str
    description: str
    max_difference: float
    threads: int
    notes: list[str] = field(default_factory=list)


def label_range(
    after: int, upto: int, n_stars: int, probe_upto: int, ensemble_id: int, path: str, sha256: str, **assignment: Any
) -> dict[str, Any]:
    """Label the stars of a range of identifiers.

    Parameters
    ----------
    after, upto, n_stars : int
        See `catalog.features.Page`.
    probe_upto : int
        End of the range with which the run begins: its first stars verify the runtime, the same for every worker.
    ensemble_id : int
    path : str
        Folder of the ensemble.
    sha256 : str
        Of its list of checksums.
    **assignment
        See `catalog.database.elsewhere.Assignment`.

    Returns
    -------
    dict
        ``report`` of the features, ``labelled`` stars, and what labelled them.

    Raises
    ------
    ConfigurationError
        This worker does not see the ensemble, or another one; or see `elsewhere`.
    RvscatError
        The command that waits for the part has ended, or what labelling raises.
    """
    page, report = Page(after, upto, n_stars), FeatureReport()
    with elsewhere(Assignment(**assignment)) as here:
        settings = here.settings.model_copy(update={"workers": 1})
        _require_ensemble(Path(path), sha256)
        ensemble = _loaded(path, sha256, here.run, settings, probe_upto)
        labels = Labels.joined(list(label_pages(here.run, settings, ensemble, [page], report, lambda _: None)))
        here.begin_writing(f"labels {after} to {upto}")
        delete_labels(here.connection, here.run, page)
        write_labels(here.connection, here.run, ensemble_id, ensemble.n_members, labels)
        here.connection.commit()
    predictor = ensemble.predictor
    return {
        "report": report.values(),
        "labelled": int(labels.source_id.size),
        "n_members": ensemble.n_members,
        "runtime": predictor.runtime.name,
        "description": predictor.runtime.description,
        "max_difference": predictor.max_difference,
        "notes": list(predictor.notes),
        "host": socket.gethostname(),
    }


def label_elsewhere(
    runner: TaskRunner,
    pages: Sequence[Page],
    probe_upto: int,
    ensemble_id: int,
    path: Path,
    assignment: Assignment,
    report: FeatureReport,
    tell: Callable[[int, str], None],
) -> Used:
    """Label pages by the workers of a task runner, and wait for all of them.

    Parameters
    ----------
    runner : TaskRunner
    pages : sequence of Page
        One a part.
    probe_upto : int
        See `label_range`.
    ensemble_id : int
    path : pathlib.Path
        Folder of the ensemble, which all workers see.
    assignment : Assignment
    report : FeatureReport
        The stars of all parts are added to it.
    tell : callable
        Told the stars done, and words on it.

    Returns
    -------
    Used

    Raises
    ------
    RvscatError
        A part was lost again and again, or what a part raised.
    """
    common = {
        "probe_upto": probe_upto,
        "ensemble_id": ensemble_id,
        "path": str(path.absolute()),
        "sha256": sha256_file(path / CHECKSUMS),
        **assignment.values(),
    }
    parts: list[Part] = [{**vars(page), **common} for page in pages]
    done: dict[int, dict[str, Any]] = {}
    stars = 0

    def on_end(number: int, value: dict[str, Any]) -> None:
        nonlocal stars
        done[number] = value
        stars += pages[number].n_stars
        idle()

    def idle() -> None:
        tell(stars, f"part {len(done)} of {len(parts)}")

    notes = do_parts(runner, _TARGET, parts, on_end, idle)
    values = [done[number] for number in sorted(done)]
    for value in values:
        report.add(value["report"])
    descriptions = sorted({value["description"] for value in values})
    if len(descriptions) > 1:
        notes.append(f"Workers predicted by different runtimes: {'; '.join(descriptions)}.")
    for note in (note for value in values for note in value["notes"]):
        if note not in notes:
            notes.append(note)
    return Used(
        values[0]["n_members"],
        values[0]["runtime"],
        ", ".join(descriptions),
        max(value["max_difference"] for value in values),
        1,
        notes,
    )


def _require_ensemble(path: Path, sha256: str) -> None:
    checksums = path / CHECKSUMS
    if not checksums.is_file() or sha256_file(checksums) != sha256:
        raise ConfigurationError(
            f"The worker on {socket.gethostname()} does not see the ensemble {path}"
            f"{': another one lies there' if checksums.is_file() else ''}.",
            "Workers need the data folder (RVSCAT_HOME) under the same path.",
        )


def _loaded(path: str, sha256: str, run: Run, settings: Settings, probe_upto: int) -> Ensemble:
    """Return the ensemble; a worker keeps the last one."""
    key = (path, sha256, run.profile.prediction.runtime)
    with _loading:
        if key not in _kept:
            _kept.clear()
            probe = first_stars(run, settings, Page(0, probe_upto, 0))
            grid = load_release(run.profile.release).rvs
            _kept[key] = load_ensemble(Path(path), grid, 1, runtime=key[2], probe=probe)
        return _kept[key]
