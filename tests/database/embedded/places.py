"""Places of servers that are not started."""

from pathlib import Path

from catalog.database.embedded.place import Place

__all__ = ["in_place"]


def in_place(folder: Path) -> Place:
    """A place whose folders exist."""
    made = Place(folder)
    for part in (made.data, made.run, made.log):
        part.mkdir(mode=0o700, parents=True)
    return made
