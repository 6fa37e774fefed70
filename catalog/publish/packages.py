"""Writers of all that is asked for in one export: which files and folders there will be, and who is fed what."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from catalog.metadata.columns import RVS_CNN_EXTENDED, TableInfo
from catalog.publish.formats import WRITERS, Facts
from catalog.publish.formats.cds import CdsTable, readme
from catalog.publish.formats.hats import HatsCollection
from catalog.publish.rows import Block

__all__ = ["PART", "Feeder", "Output", "open_outputs", "plan_outputs", "remove_output", "with_positions"]

PART = ".part"
_POSITIONS = ("ra", "dec")


@dataclass(frozen=True)
class Output:
    """One file or folder of an export."""

    name: str
    form: str
    tables: tuple[TableInfo, ...]


class Feeder(Protocol):
    """Takes the rows of a table in two passes."""

    def measure(self, block: Block) -> None:
        """Look at rows in the first pass, if there is one."""

    def write(self, block: Block) -> None:
        """Write rows in the last pass."""


@dataclass(frozen=True)
class _Feeder:
    """Passes rows on to a writer."""

    take: Callable[..., None]
    look: Callable[..., None] | None = None

    def measure(self, block: Block) -> None:
        if self.look is not None:
            self.look(*block)

    def write(self, block: Block) -> None:
        self.take(*block)


def plan_outputs(formats: Sequence[str], tables: Sequence[TableInfo]) -> list[Output]:
    """Return what the `formats` consist of: a file a table, a folder a table (hats), or one folder (cds)."""
    outputs = []
    for form in dict.fromkeys(formats):
        if form == "cds":
            outputs.append(Output("cds", form, tuple(tables)))
            continue
        for info in tables:
            name = f"{info.name}_hats" if form == "hats" else f"{info.name}.{WRITERS[form].extension}"
            outputs.append(Output(name, form, (info,)))
    return outputs


def with_positions(info: TableInfo) -> TableInfo:
    """Return `info` with the columns of positions, which a HATS catalogue must have."""
    missing = [column for column in RVS_CNN_EXTENDED.columns if column.name in _POSITIONS]
    if set(_POSITIONS) <= set(info.column_names):
        return info
    return TableInfo(
        info.schema, info.name, info.title, info.description, (*info.columns, *missing), info.primary_key, info.keys
    )


def open_outputs(
    stack: ExitStack, folder: Path, outputs: Sequence[Output], facts: Mapping[str, Facts]
) -> tuple[dict[str, list[Feeder]], bool, Callable[[], None]]:
    """Begin all `outputs` as parts in `folder`.

    Parameters
    ----------
    stack : contextlib.ExitStack
        Closes what is open when it ends, whatever has happened.
    folder : Path
    outputs : sequence of Output
    facts : mapping of str to Facts
        By the name of the table.

    Returns
    -------
    feeders : dict of str to list of Feeder
        By the name of the table.
    two_passes : bool
        True when the rows must come twice.
    finish : callable
        Completes the parts when all rows have come.
    """
    feeders: dict[str, list[Feeder]] = {info.name: [] for output in outputs for info in output.tables}
    finishing: list[Callable[[], object]] = []
    for output in outputs:
        part = folder / f"{output.name}{PART}"
        if output.form == "hats":
            (info,) = output.tables
            hats = HatsCollection(part, with_positions(info), facts[info.name])
            stack.callback(hats.abandon)
            feeders[info.name].append(_Feeder(hats.write, hats.measure))
            finishing.append(hats.close)
        elif output.form == "cds":
            part.mkdir()
            tables = []
            for info in output.tables:
                cds = CdsTable(part / f"{info.name}.dat", info)
                stack.callback(cds.close)
                feeders[info.name].append(_Feeder(cds.write, cds.measure))
                finishing.append(cds.close)
                tables.append(cds)
            finishing.append(_readme_writer(part / "ReadMe", tables, facts[output.tables[0].name]))
        else:
            (info,) = output.tables
            writer = WRITERS[output.form](part, info, facts[info.name])
            stack.callback(writer.close)
            feeders[info.name].append(_Feeder(writer.write))
            finishing.append(writer.close)

    def finish() -> None:
        for each in finishing:
            each()

    return feeders, any(output.form in ("hats", "cds") for output in outputs), finish


def _readme_writer(path: Path, tables: list[CdsTable], facts: Facts) -> Callable[[], object]:
    return lambda: path.write_text(readme(tables, facts), encoding="ascii")


def remove_output(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
