"""`rvscat` in a process of its own, as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["rvscat", "start_rvscat"]

_COMMAND = "from catalog.cli import main; main()"
_WITHOUT_FIGURES = f"""
import pytest
from tests.update.working import leave_out_figures
leave_out_figures(pytest.MonkeyPatch())
{_COMMAND}
"""


def start_rvscat(home: Path, url: str, *arguments: str, figures: bool = True) -> subprocess.Popen[str]:
    """Start a command on a data folder and a database; `figures` are half of the work of a small run."""
    return subprocess.Popen(
        [sys.executable, "-c", _COMMAND if figures else _WITHOUT_FIGURES, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RVSCAT_HOME": str(home),
            "RVSCAT_DATABASE_URL": url,
            "HOME": str(home),
            "COLUMNS": "150",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def rvscat(home: Path, url: str, *arguments: str, status: int = 0, figures: bool = True) -> str:
    """Return what a command says that ends with `status`, and without a traceback."""
    process = start_rvscat(home, url, *arguments, figures=figures)
    output, _ = process.communicate(timeout=550)
    assert process.returncode == status, output
    assert "Traceback" not in output
    return output
