"""Files read by others, several at once: the same rows, and the same rows set aside, as one after the other.

Files that are read in their turn set a star aside that an earlier file has. Of files that are read at once, the one
that meets a star of another takes nothing and waits until all others are done. Then those that wait are read in their
turn; a later file that was faster is taken back and read again after them.
"""

import bisect
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from catalog.database.elsewhere import Assignment, assign, elsewhere
from catalog.database.ledger import Run
from catalog.errors import ConfigurationError, FormatError
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.surveys.ingest_file import Apart, IngestedFile, OverlapError, ingest_path
from catalog.surveys.product import Product
from catalog.tasks import Part, TaskRunner, do_parts

__all__ = ["FileOutcome", "ingest_elsewhere", "read_file"]

_TARGET = f"{__name__}:read_file"

# Files that were read by a command which was killed count as read at once with those that are left.
_SINCE = """
SELECT coalesce(max(file.file_id), 0)
FROM production.ingest_file AS file
WHERE file.release = %(release)s AND file.ingested_at < coalesce((
    SELECT min(stage.started_at)
    FROM production.stage
    WHERE stage.run_id = %(run_id)s AND stage.name = 'ingest' AND stage.stage_id > coalesce((
        SELECT max(done.stage_id) FROM production.stage AS done
        WHERE done.run_id = %(run_id)s AND done.name = 'ingest' AND done.status = 'complete'
    ), 0)
), clock_timestamp())
"""


@dataclass(frozen=True)
class FileOutcome:
    """What became of a file: text and numbers."""

    status: str
    """``complete``, ``skipped``, ``refused``, or ``waits`` for its turn."""
    n_rows: int = 0
    n_quarantined: int = 0
    set_aside: str = ""
    texts: list[str] = field(default_factory=list)
    n_unused: int = 0
    """Columns not used."""
    message: str = ""
    """Why it was refused."""

    @classmethod
    def of(cls, outcome: IngestedFile | FormatError) -> "FileOutcome":
        """Return what matters of a file that was read, or refused."""
        if isinstance(outcome, FormatError):
            return cls("refused", message=str(outcome))
        notices = outcome.notices
        return cls(
            outcome.status,
            outcome.n_rows,
            outcome.n_quarantined,
            outcome.set_aside,
            list(notices.texts),
            len(notices.unused),
        )


def read_file(path: str, product: str, since: int, **assignment: Any) -> dict[str, Any]:
    """Read one file, in a transaction of its own: a part of the stage.

    Parameters
    ----------
    path : str
    product : str
    since : int
        See `catalog.surveys.ingest_file.Apart`.
    **assignment
        See `catalog.database.elsewhere.Assignment`.

    Returns
    -------
    dict
        See `FileOutcome`.

    Raises
    ------
    ConfigurationError
        This worker does not see the file; or see `elsewhere`.
    """
    file = Path(path)
    with elsewhere(Assignment(**assignment)) as here:
        if not file.is_file():
            raise ConfigurationError(
                f"The worker on {socket.gethostname()} does not see {file}.",
                "Workers need the data folder (RVSCAT_HOME) under the same path.",
            )
        release = load_release(here.run.profile.release)
        try:
            outcome = ingest_path(here.connection, file, product, here.run.release, release, apart=Apart(since))
        except FormatError as error:
            return asdict(FileOutcome.of(error))
        except (OverlapError, psycopg.errors.DeadlockDetected):
            here.connection.rollback()
            return asdict(FileOutcome("waits"))
    return asdict(FileOutcome.of(outcome))


def ingest_elsewhere(
    connection: Connection,
    run: Run,
    settings: Settings,
    runner: TaskRunner,
    files: Sequence[tuple[Product, Path]],
    tell: Callable[[int | None], None],
) -> tuple[list[FileOutcome], list[str]]:
    """Read files by the workers of a task runner, and wait for all of them.

    Parameters
    ----------
    connection : psycopg.Connection
        Is committed.
    run : Run
    settings : Settings
    runner : TaskRunner
    files : sequence of (Product, Path)
        Of products with one row a star, in the order in which they would be read one after the other.
    tell : callable
        Told the number of each file that is done, and None while nothing is.

    Returns
    -------
    outcomes : list of FileOutcome
        One a file.
    notes : list of str
    """
    row = connection.execute(_SINCE, {"release": run.release, "run_id": run.run_id}).fetchone()
    assert row is not None
    common = {"since": row[0], **assign(connection, run, "ingest", settings).values()}
    connection.commit()
    parts: list[Part] = [{"path": str(path.absolute()), "product": product.name, **common} for product, path in files]
    outcomes: dict[int, FileOutcome] = {}

    def on_end(number: int, value: dict[str, Any]) -> None:
        outcomes[number] = FileOutcome(**value)
        tell(number)

    notes = do_parts(runner, _TARGET, parts, on_end, lambda: tell(None))
    waiting = sorted(number for number, outcome in outcomes.items() if outcome.status == "waits")
    while waiting:
        number = waiting[0]
        taken_back = _read_in_turn(connection, run, files, number, row[0], outcomes)
        if not taken_back:
            waiting.pop(0)
            tell(None)
        for other in taken_back:
            bisect.insort(waiting, other)
    return [outcomes[number] for number in range(len(files))], notes


def _read_in_turn(
    connection: Connection,
    run: Run,
    files: Sequence[tuple[Product, Path]],
    number: int,
    since: int,
    outcomes: dict[int, FileOutcome],
) -> list[int]:
    """Read a file that waits; or take back later ones which have its stars, and return their numbers."""
    product, path = files[number]
    of_product = {other.name: i for i, (product_of, other) in enumerate(files) if product_of.name == product.name}
    later = {name: i for name, i in of_product.items() if i > number}
    release = load_release(run.profile.release)
    try:
        outcomes[number] = FileOutcome.of(
            ingest_path(
                connection,
                path,
                product.name,
                run.release,
                release,
                apart=Apart(since, frozenset(later)),
            )
        )
    except FormatError as error:
        outcomes[number] = FileOutcome.of(error)
    except OverlapError as error:
        names = sorted(error.names)
        with connection.transaction():
            # Its rows go with it.
            connection.execute(
                "DELETE FROM production.ingest_file "
                "WHERE release = %s AND product = %s AND name = ANY (%s) AND status = 'complete'",
                (run.release, product.name, names),
            )
        return [later[name] for name in names]
    return []
