"""Survey files into the database: nothing twice, nothing by halves.

Each file is read in a transaction of its own (`catalog.surveys.ingest_file`); a bad one leaves no row,
is recorded as refused, and the other files go on.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from psycopg import Connection

from catalog.database.ledger import Run, StageResult
from catalog.database.statistics import renew_statistics
from catalog.errors import FormatError, NotFoundError
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.surveys import file_ledger, mock_truth
from catalog.surveys.elsewhere import FileOutcome, ingest_elsewhere
from catalog.surveys.formats.ascii_tables import README
from catalog.surveys.ingest_file import IngestedFile, ingest_path
from catalog.surveys.product import Product
from catalog.surveys.products import PRODUCTS
from catalog.surveys.reading import read_in_turn
from catalog.tasks import task_runner

__all__ = ["IngestedFile", "ingest_path", "ingest_surveys", "survey_files"]


def ingest_surveys(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Ingest all files of a release: ``settings.surveys / run.release``, one sub-folder a product.

    Where this process has a task runner (see `catalog.tasks`), its workers read the files with one row a star, several
    at once: the rows are the same. Files whose names begin with ``_``, ``.`` or ``manifest`` or end with ``.part`` are
    not read, nor is a ``ReadMe``.

    Parameters
    ----------
    connection : psycopg.Connection
        Committed after each file.
    run : Run
        Its release names the folder and keys the rows.
    settings : Settings
    progress : Progress
        Told the bytes read so far.

    Returns
    -------
    StageResult
        Files read, skipped and refused, rows a product and rows set aside; a note on each refused file.

    Raises
    ------
    NotFoundError
        The folder is missing or holds no survey file.
    """
    folder = settings.surveys / run.release
    files, notes = survey_files(folder)
    release = load_release(run.profile.release)
    total = sum(path.stat().st_size for _, path in files)
    notes.extend(_free_stars(connection, files, run.release))
    runner, done = task_runner(settings), 0.0
    outcomes: dict[int, FileOutcome] = {}
    if runner is not None:
        apart = [number for number, (product, _) in enumerate(files) if product.keyed_by_source]
        sizes = [files[number][1].stat().st_size for number in apart]
        n_done = 0

        def tell(place: int | None) -> None:
            nonlocal done, n_done
            if place is not None:
                done, n_done = done + sizes[place], n_done + 1
            progress(done, total, f"file {n_done} of {len(apart)}")

        found, more = ingest_elsewhere(connection, run, settings, runner, [files[number] for number in apart], tell)
        outcomes.update(zip(apart, found, strict=True))
        notes.extend(more)
    left = [number for number in range(len(files)) if number not in outcomes]
    known = _known_files(connection, run.release)
    with closing(read_in_turn([files[number] for number in left], release, known)) as readings:
        for number, (product, path, reading) in zip(left, readings, strict=True):
            what = f"{product.name}/{path.name}"
            size = path.stat().st_size
            progress(done, total, what)
            told = _part_of(progress, done, size, total, what)
            try:
                outcomes[number] = FileOutcome.of(
                    ingest_path(connection, path, product.name, run.release, release, told, reading=reading)
                )
            except FormatError as error:
                outcomes[number] = FileOutcome.of(error)
            done += size
    progress(done, total, "survey files")
    statuses: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    unused: dict[str, int] = {}
    for number, (product, path) in enumerate(files):
        outcome = outcomes[number]
        statuses[outcome.status] += 1
        if outcome.status == "refused":
            notes.append(f"refused: {outcome.message}")
            continue
        rows[product.name] += outcome.n_rows
        if outcome.set_aside:
            notes.append(f"{product.name}/{path.name}{outcome.set_aside}")
        notes.extend(text for text in outcome.texts if text not in notes)
        if outcome.n_unused:
            unused[product.name] = outcome.n_unused
    products = {product.name for product, _ in files}
    if statuses["complete"]:
        _analyze(connection, products)
    if unused:
        notes.append(f"columns not used: {', '.join(f'{name} {n}' for name, n in unused.items())}")
    expected = [
        name
        for name, product in PRODUCTS.items()
        if not product.optional and (name != mock_truth.PRODUCT.name or run.profile.mock is not None)
    ]
    notes.extend(f"no file of {name}" for name in expected if name not in products)
    counts = {
        "files": len(files),
        "files_read": statuses["complete"],
        "files_skipped": statuses["skipped"],
        "files_refused": statuses["refused"],
        **{f"rows_{name}": n for name, n in rows.items()},
        "rows_quarantined": sum(outcome.n_quarantined for outcome in outcomes.values()),
    }
    return StageResult(counts, notes)


def survey_files(folder: Path) -> tuple[list[tuple[Product, Path]], list[str]]:
    """List the survey files of a release's folder, product by product.

    Returns
    -------
    files : list of (Product, Path)
    notes : list of str
        What else lies there and is not read.

    Raises
    ------
    NotFoundError
        The folder is missing or holds no survey file.
    """
    remedy = f"Put the archives' files into sub-folders named after their product: {', '.join(PRODUCTS)}."
    if not folder.is_dir():
        raise NotFoundError(f"There is no folder of survey files {folder}.", remedy)
    files: list[tuple[Product, Path]] = []
    for name, product in PRODUCTS.items():
        if (folder / name).is_dir():
            files.extend((product, path) for path in sorted((folder / name).iterdir()) if _is_survey_file(path))
    if not files:
        raise NotFoundError(f"No survey file in {folder}.", remedy)
    others = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name not in PRODUCTS]
    others += [path for name in PRODUCTS for path in sorted((folder / name).glob("*/")) if path.is_dir()]
    return files, [f"not read: {path.relative_to(folder)} is not the folder of a product" for path in others]


def _known_files(connection: Connection, release: str) -> dict[tuple[str, str], str]:
    """Return the checksums of the files in the database, by product and name."""
    rows = connection.execute(
        "SELECT product, name, sha256 FROM production.ingest_file WHERE release = %s AND status = 'complete'",
        (release,),
    )
    return {(product, name): sha256 for product, name, sha256 in rows.fetchall()}


def _free_stars(connection: Connection, files: list[tuple[Product, Path]], release: str) -> list[str]:
    """Let files be read again whose stars were set aside as duplicates of a file that was replaced since."""
    notes = []
    for product in {product.name: product for product, _ in files if product.keyed_by_source}.values():
        paths = {path.name: path for other, path in files if other.name == product.name}
        for freed in file_ledger.freed_files(connection, release, product.name, next(iter(product.tables))):
            path = paths.get(freed.name)
            # A file that has changed as well is not taken without being asked for.
            if path is not None and file_ledger.sha256_of(path) == freed.sha256:
                file_ledger.replace_file(connection, freed.file_id, list(product.tables))
                stars = "1 star" if freed.n_stars == 1 else f"{freed.n_stars} stars"
                notes.append(f"read again: {product.name}/{path.name}, as no other file has {stars} of it any more")
    connection.commit()
    return notes


def _analyze(connection: Connection, products: set[str]) -> None:
    for name in sorted(products):
        renew_statistics(connection, *PRODUCTS[name].tables)
    connection.commit()


def _is_survey_file(path: Path) -> bool:
    name = path.name.lower()
    is_other = name.startswith(("_", ".", "manifest")) or name.endswith(".part") or path.name == README
    return path.is_file() and not is_other


def _part_of(progress: Progress, done: float, size: float, total: float, what: str) -> Callable[..., None]:
    """Turn the part of one file into bytes of all files."""

    def tell(part: float, whole: float, _: str = "") -> None:
        progress(done + size * part / whole, total, what)

    return tell
