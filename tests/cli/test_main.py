"""The command line as a whole: overview, help of every command, errors as messages."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import __version__
from catalog.cli.main import COMMANDS, cli
from catalog.settings import Settings


def rvscat(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from catalog.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_overview_and_version() -> None:
    result = rvscat("--help")
    assert result.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in result.stdout
    assert rvscat("--version").stdout.strip().endswith(__version__)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_itself_and_its_options(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = cli.get_command(None, name)  # type: ignore[attr-defined]
    assert command.help
    commands = [command, *getattr(command, "commands", {}).values()]
    silent = [p.name for c in commands for p in c.params if p.param_type_name == "option" and not p.help]
    assert silent == []


def test_the_overview_imports_nothing_heavy() -> None:
    code = (
        "import sys; from catalog.cli.main import cli; cli(['--help'], standalone_mode=False); "
        "print([m for m in ('tensorflow', 'keras', 'prefect', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"


def test_an_error_is_a_message_with_a_remedy(settings: Settings) -> None:
    result = rvscat("sample", "--profile", "nothing")
    assert result.returncode == 1
    assert "Unknown profile 'nothing'" in result.stderr
    assert "demo" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_option_is_a_usage_error() -> None:
    result = rvscat("run", "--no-such-option")
    assert result.returncode == 2
    assert "--no-such-option" in result.stderr


def test_stages_out_of_order_say_what_is_missing(settings: Settings) -> None:
    result = rvscat("predict", "--profile", "tiny")
    assert result.returncode == 1
    assert "needs stage 'train'" in result.stderr
    assert "rvscat train" in result.stderr


def test_profile_and_run_exclude_each_other(settings: Settings) -> None:
    result = rvscat("train", "--profile", "tiny", "--run", "1")
    assert result.returncode == 2
    assert "not both" in result.stderr


def test_status_without_a_run(settings: Settings) -> None:
    assert "No run yet" in rvscat("status").stdout
    assert rvscat("status", "--json").stdout.strip() == "[]"


def test_unreachable_database_hides_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    monkeypatch.setenv("RVSCAT_DATABASE_URL", "postgresql://me:hidden@127.0.0.1:1/none")
    result = rvscat("status")
    assert result.returncode == 1
    assert "hidden" not in result.stdout + result.stderr
    assert "RVSCAT_DATABASE_URL" in result.stderr
