"""PostgreSQL's programs, and data that they cannot read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.database.embedded import (
    binaries,
    ensure_server,
    place,
)
from catalog.database.embedded.account import server_account
from catalog.database.embedded.cluster import data_version
from catalog.errors import DatabaseError
from catalog.settings import Settings


def test_the_wheel_is_found_without_importing_it() -> None:
    script = (
        "import sys; from catalog.database.embedded.binaries import find_binaries; print(max(find_binaries()));"
        "assert not [name for name in sys.modules if name.startswith('pixeltable')]"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=python_env())
    assert int(found.stdout) >= 16


def python_env() -> dict[str, str]:
    """Environment of a Python that finds this package, and nothing else."""
    return {"PYTHONPATH": os.pathsep.join([str(Path(place.__file__).parents[3]), *sys.path]), "PATH": os.defpath}


def test_a_missing_wheel_and_a_broken_program_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "pginstall99" / "bin" / "postgres"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho 'wrong kind of machine' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(binaries, "_folders", lambda: [tmp_path / "pginstall99"])
    with pytest.raises(DatabaseError, match="wrong kind of machine"):
        binaries.find_binaries()
    monkeypatch.undo()
    monkeypatch.setattr(binaries, "WHEEL", "no_such_package")
    with pytest.raises(DatabaseError, match=r"no-such-package.*RVSCAT_DATABASE_URL"):
        binaries.find_binaries()


def test_data_of_another_major_version_are_refused_with_a_remedy(open_folder: Path) -> None:
    data = place.home_folder(open_folder) / "data"
    data.mkdir(parents=True)
    server_account(Settings(home=open_folder)).own(data)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 12; .* 18(?s:.*)pg_dump"):
        ensure_server(Settings(home=open_folder))
    (data / "PG_VERSION").unlink()
    with pytest.raises(DatabaseError, match="no readable PG_VERSION"):
        data_version(data)
