"""Where the SQL files and migrations lie, in a checkout and in an installed wheel."""

from pathlib import Path

__all__ = ["MIGRATIONS", "SQL"]

_PACKAGE = Path(__file__).resolve().parent.parent
_ROOT = _PACKAGE / "_data" if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent

SQL = _ROOT / "sql"
MIGRATIONS = _ROOT / "migrations"
