"""The paper's numbers beside a run's, for the terminal."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["print_parity"]

_COLOURS = {"same": "green", "differs": "yellow", "does not apply": "dim", "not stated": "dim"}


def print_parity(console: Console, parity: Mapping[str, Any], run_id: int) -> None:
    """Print the table, one part of the paper after another.

    Parameters
    ----------
    console : rich.console.Console
    parity : mapping
        As in ``report.json``.
    run_id : int
    """
    console.print(Text(f"Numbers of Guiglion et al. (2024) beside run {run_id}", style="bold"))
    if not parity["applies"]:
        words = f"What the paper says about its stars does not apply: {parity['reason']}."
        console.print(Text(words, style="yellow"))
    for title, rows in groupby(parity["rows"], key=lambda row: row["section"]):
        console.print()
        console.print(_table(title, list(rows), parity["reason"]))
    console.print()
    counts = ", ".join(f"{n} {status}" for status, n in parity["counts"].items() if n)
    console.print(Text(f"{len(parity['rows'])} numbers: {counts}."))


def _table(title: str, rows: list[dict[str, Any]], reason: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(Text(title, style="bold"), ratio=1, overflow="fold")
    for name in ("Paper", "Run"):
        table.add_column(name, justify="right", max_width=16, overflow="fold")
    table.add_column("")
    for row in rows:
        # What holds for the whole run is said above the tables.
        notes = [note for note in (row["reason"] if row["reason"] != reason else "", row["decided"]) if note]
        text = Group(
            Text(f"{row['text']} ({row['at']})", overflow="fold"),
            *(Padding(Text(note, style="dim"), (0, 0, 0, 2)) for note in notes),
        )
        unit = f"\u00a0{row['unit']}" if row["unit"] else ""
        run = row["run_text"] + (unit if row["run"] is not None else "")
        status = Text(row["status"], style=_COLOURS[row["status"]])
        status.append(f" {row['difference']}".rstrip())
        table.add_row(text, row["paper_text"] + unit, run, status)
    return table
