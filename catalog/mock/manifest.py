"""The list of files of a synthetic sky: without it, or with one that does not fit, a folder is not taken for whole."""

import json
from pathlib import Path

from catalog.profiles.model import MockSettings
from catalog.releases import Release

__all__ = ["MANIFEST", "VERSION", "is_complete", "is_ours", "write_manifest"]

MANIFEST = "manifest.json"
VERSION = 2
"""Raise it when the same settings would give other files."""


def _settings(mock: MockSettings, release: Release) -> dict[str, object]:
    return {"version": VERSION, "release": release.name, **mock.model_dump()}


def write_manifest(folder: Path, mock: MockSettings, release: Release, counts: dict[str, int]) -> None:
    """Record settings, counts and the size of every file below `folder`.

    Parameters
    ----------
    folder : Path
    mock : MockSettings
    release : Release
    counts : dict of str to int
        What `catalog.mock.write_sky` returns.
    """
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    content = {"settings": _settings(mock, release), "counts": counts, "files": files}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> dict[str, object] | None:
    """Return the manifest of `folder`, or None when there is none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return content if isinstance(content, dict) else None


def is_ours(folder: Path) -> bool:
    """Return whether the folder was written as a synthetic sky."""
    content = read_manifest(folder)
    return content is not None and {"settings", "files"} <= content.keys()


def is_complete(folder: Path, mock: MockSettings, release: Release) -> dict[str, int] | None:
    """Return the counts of a whole synthetic sky of these settings in `folder`, else None.

    Files are compared by size: their checksums are the business of those who read them.
    """
    content = read_manifest(folder)
    if content is None or content.get("settings") != _settings(mock, release):
        return None
    files, counts = content.get("files"), content.get("counts")
    if not isinstance(files, dict) or not isinstance(counts, dict):
        return None
    for name, size in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return counts
