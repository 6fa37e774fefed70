"""Real servers: their places, what they answer, and other processes that ask for them."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from catalog.database import embedded
from catalog.database.embedded.place import Place, recorded_place
from catalog.settings import Settings

REPOSITORY = Path(embedded.__file__).parents[3]
AS_ROOT = os.geteuid() == 0

ENSURE = """
import os, sys
from pathlib import Path
from catalog.database.embedded import ensure_server, server_status
from catalog.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
"""


def place_of(settings: Settings) -> Place:
    """The place of a server that was made."""
    found = recorded_place(settings.home)
    assert found is not None
    return found


def ask(url: str, question: str) -> object:
    """First value of a query's answer, asked of the maintenance database."""
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def tell(url: str, *statements: str) -> None:
    """Run statements in the maintenance database."""
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def python(script: str, home: Path) -> subprocess.Popen[str]:
    """Another Python with nothing but the path in its environment: no HOME, no settings."""
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command = [sys.executable, "-c", ENSURE + script, str(home)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have succeeded."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()
