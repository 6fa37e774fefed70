"""`rvscat update` as a user does it."""

import os
import subprocess
import sys

from tests.update.working import Installation

COMMAND = """
import pytest
from catalog.cli import main
from tests.update.working import leave_out_figures
leave_out_figures(pytest.MonkeyPatch())
main()
"""


def rvscat(installation: Installation, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RVSCAT_HOME": str(installation.home),
            "RVSCAT_DATABASE_URL": installation.url,
            "HOME": str(installation.home),
            "COLUMNS": "150",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == status, output
    assert "Traceback" not in output
    return output


def test_the_command_tells_what_is_new(installation: Installation) -> None:
    profile = str(installation.profile_file)
    refused = rvscat(installation, "update", "--profile", "demo", status=1)
    assert "rvscat run --profile demo" in refused
    installation.deliver(1)
    output = rvscat(installation, "update", "--profile", profile)
    for words in ("update of run 1", "stars keep the labels and flags of run 1", "version 2", "run-2/report.html"):
        assert words in output
    assert "extends 1" in rvscat(installation, "status")
    assert "Nothing new: the catalogue of run 2 stays" in rvscat(installation, "update", "--profile", profile)
    assert installation.rows("SELECT count(*) FROM production.run WHERE base_run_id IS NOT NULL") == [(1,)]
