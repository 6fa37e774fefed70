"""The table of faults, for a terminal and for the documentation."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.acceptance.faults.journey import Outcome

__all__ = ["show", "write_markdown"]

_HEADS = ("Fault", "Stage", "What the user saw", "Same command again", "Same bytes", "s")


def _row(outcome: Outcome, home: str) -> tuple[str, ...]:
    said = outcome.said.replace(home, "$RVSCAT_HOME")
    if outcome.defects:
        said = f"[{', '.join(outcome.defects)}] {said}"
    same = {True: "yes", False: "no", None: "not reached"}[outcome.same]
    return outcome.fault.title, outcome.fault.moment.stage, said, outcome.again, same, f"{outcome.seconds:.0f}"


def show(outcomes: Sequence[Outcome], home: Path, console: Console) -> None:
    """Print all outcomes."""
    table = Table(*_HEADS, show_lines=True)
    for outcome in outcomes:
        table.add_row(
            *(cell.replace("[", "\\[") for cell in _row(outcome, str(home))), style="" if outcome.good else "red"
        )
    console.print(table)
    good = sum(outcome.good for outcome in outcomes)
    console.print(f"{good} of {len(outcomes)} faults: told in words, survived, and the same bytes afterwards.")


def write_markdown(outcomes: Sequence[Outcome], home: Path, path: Path) -> None:
    """Write all outcomes as a Markdown table."""
    lines = [f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    for outcome in outcomes:
        cells = (cell.replace("|", "\\|").replace("<", "&lt;") for cell in _row(outcome, str(home)))
        lines.append(f"| {' | '.join(cells)} |")
    path.write_text("\n".join(lines) + "\n")
