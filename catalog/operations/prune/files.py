"""Files and folders that nothing refers to any more."""

import re
from collections.abc import Iterator
from pathlib import Path

from catalog.ensemble.registry.files import age_days
from catalog.operations.doctor.service import is_held
from catalog.operations.prune.items import Item, Rules

__all__ = ["REMOVING", "size_of", "stray_files"]

REMOVING = ".removing-"
"""Begins the name of a folder that is being removed: one that is found was left by a prune that was stopped."""

_PART_DAYS = 1.0
"""A half that is younger may be being written."""
_LOCKS = ("training.lock", "workers.lock")


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())


def stray_files(
    home: Path, runs: set[int], ensembles: set[str], maps: set[str], versions: set[int], rules: Rules
) -> Iterator[Item]:
    """Find what can go.

    Parameters
    ----------
    home : Path
        Data folder.
    runs : set of int
        Runs that stay, or go with files of their own.
    ensembles, maps : set of str
        Names of folders that the database knows.
    versions : set of int
        Published versions.
    rules : Rules

    Yields
    ------
    Item
        Of kind ``files``.
    """
    for path in sorted([*home.glob(f"*/{REMOVING}*"), *home.glob(f"service/*/{REMOVING}*")]):
        yield _item(home, path, "left by a prune that was stopped")
    yield from (item for item in _strays(home, runs, ensembles, maps, versions) if _old(item, rules.days))
    for folder in ("surveys", "exports"):
        for path in sorted((home / folder).rglob("*.part")):
            if path.is_file() and _old(item := _item(home, path, "half of a file"), max(rules.days, _PART_DAYS)):
                yield item


def _strays(home: Path, runs: set[int], ensembles: set[str], maps: set[str], versions: set[int]) -> Iterator[Item]:
    for path, number in _numbered(home / "reports", r"(?:variants-)?run-(\d+)"):
        if number not in runs:
            yield _item(home, path, f"report of run {number}, which is gone")
    for path in _entries(home / "ensembles", r"[0-9a-f]{16}"):
        if path.name not in ensembles:
            yield _item(home, path, "ensemble that the database does not know")
    for path in _entries(home / "ensembles", r"\.work-.*|\..*\.partial|.*\.damaged"):
        if any(is_held(path / name) for name in _LOCKS):
            continue
        damaged = path.name.endswith(".damaged")
        yield _item(home, path, "damaged ensemble, put aside" if damaged else "training that was stopped")
    for path in _entries(home / "tuning", r"[0-9a-f]{16}"):
        if not is_held(path / "search.lock"):
            yield _item(home, path, "search of settings")
    for path in _entries(home / "likeness", r"\.?[0-9a-f]{16}.*|.*partial.*"):
        if path.name not in maps:
            yield _item(home, path, "likeness maps that the database does not know")
    for path, number in _numbered(home / "exports", r"v(\d+)"):
        if number not in versions:
            yield _item(home, path, f"files of version {number}, which is not published any more")
    for path, number in _numbered(home / "exports", r"v(\d+)\.retracted(?:-\d+)?"):
        yield _item(home, path, f"files of version {number}, which was retracted")
    for path in _entries(home / "prefect" / "storage", r".+"):
        yield _item(home, path, "result that Prefect kept of a flow")


def _entries(folder: Path, pattern: str) -> Iterator[Path]:
    if folder.is_dir() and not folder.is_symlink():
        # A link is somebody's own arrangement: it is never followed and never removed.
        found = (path for path in folder.iterdir() if re.fullmatch(pattern, path.name) and not path.is_symlink())
        yield from sorted(found)


def _numbered(folder: Path, pattern: str) -> Iterator[tuple[Path, int]]:
    for path in _entries(folder, pattern):
        match = re.fullmatch(pattern, path.name)
        assert match is not None
        yield path, int(match[1])


def _item(home: Path, path: Path, why: str) -> Item:
    return Item("files", str(path.relative_to(home)), size_of(path), why, paths=(path,))


def _old(item: Item, days: float) -> bool:
    return age_days(item.paths[0]) >= days
