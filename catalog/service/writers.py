"""The answer to a query as a table in the terminal, CSV, JSON or VOTable."""

import csv
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, TextIO
from xml.sax.saxutils import escape

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from catalog.metadata import LABELS
from catalog.publish.formats.votable_document import field_element, info_element, table_head, votable_head
from catalog.service.query import QueryResult, ResultColumn

__all__ = ["FORMATS", "write", "write_csv", "write_json", "write_table", "write_votable"]

# Digits after the point that are worth printing: of a label, of its dispersion and of its uncertainty.
_DECIMALS = {
    name: label.decimals
    for label in LABELS
    for name in (label.name, f"e{label.name}", f"sigma_{label.name}", f"sigma_{label.name}_oof")
}


def write(result: QueryResult, format_: str, stream: TextIO) -> None:
    """Write `result` to `stream` in one of `FORMATS`."""
    FORMATS[format_](result, stream)


def write_table(result: QueryResult, stream: TextIO) -> None:
    """Write a table for people: rounded numbers, units in the header.

    When it is wider than the terminal the stars become columns, as many at a time as there is room for. What
    goes into a file or pipe is never folded.
    """
    console = Console(file=stream, highlight=False)
    cells = [[_cell(value, column) for value, column in zip(row, result.columns, strict=True)] for row in result.rows]
    table = _upright(result.columns, cells)
    width = Measurement.get(console, console.options.update(max_width=100_000), table).maximum
    if not console.is_terminal or not cells:
        console.width = max(console.width, width)
    if width <= console.width:
        console.print(table)
    else:
        _print_sideways(console, result.columns, cells)
    n = len(result.rows)
    rows = "1 row" if n == 1 else f"{n} rows"
    console.print(f"The first {rows} of more." if result.truncated else f"{rows}.", style="dim")


def _upright(columns: Sequence[ResultColumn], cells: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        header = Text(column.name, style="bold")
        if any(each.unit for each in columns):
            header.append(f"\n{_unit(column)}", style="dim")
        table.add_column(header, justify="left" if column.datatype in ("char", "boolean") else "right", no_wrap=True)
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _print_sideways(console: Console, columns: Sequence[ResultColumn], cells: list[list[str]]) -> None:
    names = [f"{column.name} [{column.unit}]" if column.unit else column.name for column in columns]
    room = console.width - max(map(len, names)) - 2
    start = 0
    while start < len(cells):
        stop, used = start, 0
        while stop < len(cells) and (stop == start or used + max(map(len, cells[stop])) + 2 <= room):
            used += max(map(len, cells[stop])) + 2
            stop += 1
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        for _ in range(start, stop):
            table.add_column(justify="right", overflow="ellipsis", no_wrap=True)
        for i, name in enumerate(names):
            table.add_row(Text(name), *(Text(row[i]) for row in cells[start:stop]))
        console.print(table, Text(""), sep="")
        start = stop


def _unit(column: ResultColumn) -> str:
    return (column.unit or "").strip("'")


def _cell(value: Any, column: ResultColumn) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        if column.name in _DECIMALS:
            return f"{value:.{_DECIMALS[column.name]}f}"
        return f"{value:.6g}" if column.datatype == "float" else f"{value:.9g}"
    return str(value).strip()


def write_csv(result: QueryResult, stream: TextIO) -> None:
    """Write comma-separated values with a header line; nulls are empty."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.name for column in result.columns])
    for row in result.rows:
        writer.writerow([("true" if value else "false") if isinstance(value, bool) else value for value in row])


def write_json(result: QueryResult, stream: TextIO) -> None:
    """Write one JSON object: ``columns`` with their facts, ``rows`` as lists, ``truncated``.

    JSON has no NaN and no infinity: they are null.
    """
    columns = [
        {
            "name": column.name,
            "datatype": column.datatype,
            "unit": column.unit,
            "ucd": column.ucd,
            "description": column.description,
        }
        for column in result.columns
    ]
    rows = [
        [None if isinstance(value, float) and not math.isfinite(value) else value for value in row]
        for row in result.rows
    ]
    json.dump({"columns": columns, "rows": rows, "truncated": result.truncated}, stream, ensure_ascii=False)
    stream.write("\n")


def write_votable(result: QueryResult, stream: TextIO) -> None:
    """Write a VOTable 1.4 as a TAP service answers (DALI 1.1, section 4.4)."""
    status = info_element("QUERY_STATUS", "OVERFLOW" if result.truncated else "OK")
    stream.write(votable_head(None, [status]) + table_head(map(field_element, result.columns)))
    stream.write("   <DATA>\n    <TABLEDATA>\n")
    for row in result.rows:
        stream.write(f"<TR>{''.join(f'<TD>{_table_data(value)}</TD>' for value in row)}</TR>\n")
    stream.write("    </TABLEDATA>\n   </DATA>\n  </TABLE>\n </RESOURCE>\n</VOTABLE>\n")


def _table_data(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return escape(str(value))


FORMATS: dict[str, Callable[[QueryResult, TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "votable": write_votable,
}
"""Format name -> writer."""
