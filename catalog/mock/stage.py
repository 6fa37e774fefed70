"""The stage that writes the synthetic surveys of a run."""

from typing import Any

from psycopg import Connection

from catalog.database.ledger import Run, StageResult
from catalog.errors import ConfigurationError
from catalog.mock.manifest import is_complete
from catalog.mock.sky import write_sky
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["write_mock_sky"]


def write_mock_sky(
    connection: Connection[Any],  # noqa: ARG001  `run_stage` calls every stage with it; this one writes files alone
    run: Run,
    settings: Settings,
    progress: Progress = silent,
) -> StageResult:
    """Write the synthetic sky of a run, unless it is there.

    Parameters
    ----------
    connection : psycopg.Connection
        Not used: the sky is made of files.
    run : Run
        Its profile has the settings of the sky.
    settings : Settings
        The files go to ``settings.surveys / run.release``.
    progress : Progress

    Returns
    -------
    StageResult
        Rows by product; skipped when a whole sky of the same settings was found.

    Raises
    ------
    ConfigurationError
        The profile has no synthetic sky, or other files lie in its folder.
    """
    mock = run.profile.mock
    if mock is None:
        raise ConfigurationError(
            f"Profile {run.profile.name!r} has no synthetic sky.",
            "It reads survey files from the data folder; a profile with a [mock] section makes its own.",
        )
    folder = settings.surveys / run.release
    release = load_release(run.profile.release)
    counts = is_complete(folder, mock, release)
    if counts is not None:
        return StageResult(counts={"folder": str(folder), **counts}, skipped=True)
    counts = write_sky(folder, mock, release, progress)
    return StageResult(counts={"folder": str(folder), **counts})
