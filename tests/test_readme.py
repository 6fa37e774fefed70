"""The README's commands exist, and it names every command and setting."""

import re
import shlex
from pathlib import Path

import click
import pytest

from catalog.cli.main import COMMANDS, cli
from catalog.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = [
    line[2:]
    for block in re.findall(r"```console\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.startswith("$ ")
]
QUOTED = re.findall(r"`(rvscat [a-z][^`]*)`", README)


def test_it_shows_commands() -> None:
    assert "make run" in SHOWN
    assert "make test" in SHOWN


@pytest.mark.parametrize("line", sorted({*SHOWN, *QUOTED}))
def test_each_command_can_be_typed(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), f"no target {words[1]}"
        return
    assert words[0] in (".venv/bin/rvscat", "rvscat")
    if words[1] == "ingest" and "FILE" in words:
        words[words.index("FILE")] = str(ROOT / "README.md")
    command: click.Command | None = cli.get_command(click.Context(cli), words[1])
    assert command is not None, f"no command {words[1]}"
    arguments = words[2:]
    if isinstance(command, click.Group):
        if not arguments:
            return  # named in prose
        command = command.get_command(click.Context(command), arguments.pop(0))
        assert command is not None
    required = any(p.required for p in command.params if isinstance(p, click.Argument))
    if required and not arguments:
        return  # named in prose, without its argument
    # Parses the options and arguments without running anything.
    command.make_context(words[1], arguments)


def test_every_command_and_setting_is_named() -> None:
    assert [name for name in COMMANDS if f"rvscat {name}" not in README] == []
    variables = [f"RVSCAT_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in variables if name not in README] == []


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
