"""The commands of README and docs exist, and the README names every command and setting."""

import re
import shlex
from pathlib import Path

import click
import pytest

from catalog.cli.main import COMMANDS, cli
from catalog.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [README, *(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))]
SHOWN = [
    line[2:]
    for page in PAGES
    for block in re.findall(r"```console\n(.*?)```", page, re.S)
    for line in block.splitlines()
    if line.startswith("$ ")
]
QUOTED = [command for page in PAGES for command in re.findall(r"`(rvscat [a-z][^`]*)`", page)]


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
    # Files of the reader's own that must exist.
    words = [
        str(ROOT / "README.md") if word in ("FILE", "epochs.fits") and i > 1 else word for i, word in enumerate(words)
    ]
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
