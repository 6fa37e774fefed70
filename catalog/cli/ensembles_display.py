"""What a person sees of ensembles: lists, one of them, and two side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.words import duration, thousands
from catalog.metadata import LABELS, Label
from catalog.validation.results import format_value

if TYPE_CHECKING:
    from catalog.ensemble.registry.artefact import Manifest
    from catalog.ensemble.registry.comparing import Comparison
    from catalog.ensemble.registry.listing import ListedEnsemble

__all__ = [
    "KEY",
    "label_columns",
    "print_comparison",
    "print_ensemble",
    "print_list",
    "print_troubles",
    "table",
]

KEY = 12
"""Digits of a key that are shown."""

_FIGURES = {
    "n": "Stars",
    "bias": "Mean difference",
    "dispersion": "Dispersion",
    "robust_dispersion": "Robust dispersion",
    "coverage_1": "Within 1 sigma",
    "coverage_2": "Within 2 sigma",
}
_KINDS = {"all_members": "by all members", "out_of_fold": "out of fold"}


def table(*columns: str, title: str | None = None) -> Table:
    """Return a table without lines; columns that begin with ``>`` are right-aligned."""
    made = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return made


def _grid(rows: Mapping[str, str]) -> Table:
    """Return names and what is said of them, a line each."""
    made = Table.grid(padding=(0, 2, 0, 0))
    for name, words in rows.items():
        made.add_row(Text(name, style="dim"), Text(words))
    return made


def label_columns() -> list[str]:
    """Return a column title for each label."""
    return [f">{label.text}{' (K)' if label.unit == 'K' else ''}" for label in LABELS]


def print_list(console: Console, found: "Sequence[ListedEnsemble]") -> None:
    """Print all ensembles: what they are, how good they are, and where they come from."""
    for part in (_list(found), "", _metrics(found), "", _origins(found)):
        console.print(part)


def print_troubles(console: Console, results: "Sequence[tuple[ListedEnsemble, str | None]]") -> None:
    """Print for each ensemble what is wrong with its folder, or that nothing is."""
    rows = table("Id", "Key", ">MB", "Folder")
    for each, trouble in results:
        words = Text(trouble, style="red") if trouble else Text("whole", style="green")
        rows.add_row(str(each.ensemble_id), each.key[:KEY], _megabytes(each), words)
    console.print(rows)


def print_ensemble(console: Console, found: "ListedEnsemble", manifest: "Manifest | None", trouble: str | None) -> None:
    """Print one ensemble.

    Parameters
    ----------
    console : rich.console.Console
    found : ListedEnsemble
    manifest : Manifest or None
        None when its folder is not whole.
    trouble : str or None
        What is wrong with it.
    """
    console.print(_head(found, manifest, trouble))
    for kind, words in _KINDS.items():
        console.print(f"\nCNN − APOGEE on the training stars, {words}", _figures(found.metrics[kind]), sep="\n")
    if manifest is not None:
        console.print("\nMembers", _members(manifest), sep="\n")
    console.print("\nSettings that are not the default", _settings(found.differing), sep="\n")
    if manifest is not None and manifest.notes:
        console.print()
        for note in manifest.notes:
            console.print(Text(note))


def _list(found: "Sequence[ListedEnsemble]") -> Table:
    made = table(">Id", "Key", "Inputs", ">Members", ">Stars", ">MB", "Folder", "Labels of", "Published")
    for each in found:
        runs = f"run {', '.join(map(str, each.runs))}" if each.runs else "–"
        colour = {"whole": "", "in training": "dim"}.get(each.folder, "red")
        made.add_row(
            str(each.ensemble_id),
            each.key[:KEY],
            each.variant,
            str(each.n_members),
            thousands(each.n_training),
            _megabytes(each),
            Text(each.folder, style=colour),
            runs,
            _versions(each) or "–",
        )
    return made


def _versions(each: "ListedEnsemble") -> str:
    return ", ".join(f"v{version}{'*' if version == each.current else ''}" for version in each.versions)


def _megabytes(each: "ListedEnsemble") -> str:
    return f"{each.n_bytes / 1e6:.1f}" if each.n_bytes else "–"


def _metrics(found: "Sequence[ListedEnsemble]") -> Table:
    title = "Dispersion of CNN − APOGEE: all members | out of fold"
    made = table(">Id", *label_columns(), title=title)
    for each in found:
        cells = [
            " | ".join(_figure(label, each.metrics[kind][label.name].get("dispersion")) for kind in _KINDS)
            for label in LABELS
        ]
        made.add_row(str(each.ensemble_id), *cells)
    return made


def _origins(found: "Sequence[ListedEnsemble]") -> Table:
    made = table(">Id", "Trained on, and settings that are not the default")
    for each in found:
        text = Text(f"{each.release}, {_origin(each)}")
        for name, value in each.differing.items():
            text.append(f"; {name} {_value(value)}", style="dim")
        made.add_row(str(each.ensemble_id), text)
    return made


def _origin(each: "ListedEnsemble") -> str:
    origins = [] if each.run_id is None else [f"run {each.run_id} (profile {each.profile})"]
    if each.unpacked_from is not None:
        origins.append(f"unpacked from {each.unpacked_from}")
    return ", ".join(origins) or "no run"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _head(found: "ListedEnsemble", manifest: "Manifest | None", trouble: str | None) -> Table:
    rows = {
        "Ensemble": f"{found.ensemble_id}, {found.status}",
        "Key": found.key,
        "Inputs": found.variant,
        "Trained on": f"{thousands(found.n_training)} stars of {found.release}, {_origin(found)}",
        "Registered": f"{found.created_at.astimezone():%Y-%m-%d %H:%M}",
        "Members": str(found.n_members),
        "Folder": f"{found.path}, {_megabytes(found)} MB: {trouble or 'whole'}",
        "Labels of": f"run {', '.join(map(str, found.runs))}" if found.runs else "no run",
        "Published": f"{_versions(found)} (* current)" if found.versions else "nothing",
    }
    if manifest is not None:
        rows["Took"] = duration(manifest.wall_s)
        rows["Software"] = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return _grid(rows)


def _figure(label: Label, value: float | None, *, signed: bool = False) -> str:
    return format_value(label.name, value, signed=signed, unit=False)


def _figures(metrics: Mapping[str, Mapping[str, float | int | None]]) -> Table:
    made = table("", *label_columns())
    for name, words in _FIGURES.items():
        made.add_row(words, *(_cell(label, name, metrics[label.name].get(name)) for label in LABELS))
    return made


def _cell(label: Label, name: str, value: float | None) -> str:
    if name == "n":
        return thousands(value or 0)
    if name.startswith("coverage"):
        return "–" if value is None else f"{100 * value:.1f} %"
    return _figure(label, value, signed=name == "bias")


def _members(manifest: "Manifest") -> Table:
    made = table(">Member", ">Split", ">Seed", ">Epochs", ">Best", ">Validation MSE", ">Time")
    for record in manifest.members:
        made.add_row(
            str(record.member + 1),
            str(record.split + 1),
            str(record.seed),
            str(record.epochs),
            str(record.best_epoch),
            f"{record.val_mse:.6f}",
            duration(record.wall_s),
        )
    return made


def _settings(values: Mapping[str, Any]) -> Table:
    return _grid({name: _value(value) for name, value in values.items()} or {"none": ""})


def print_comparison(console: Console, comparison: "Comparison") -> None:
    """Print two ensembles side by side.

    Parameters
    ----------
    console : rich.console.Console
    comparison : Comparison
    """
    pair = (comparison.first, comparison.second)
    names = [f"{each.ensemble_id} ({each.key[:KEY]})" for each in pair]
    made = table("Ensemble", *names)
    made.add_row("Inputs", *(each.variant for each in pair))
    made.add_row("Members", *(str(each.n_members) for each in pair))
    made.add_row("Training stars", *(thousands(each.n_training) for each in pair))
    made.add_row("Release", *(each.release for each in pair))
    for name, values in comparison.settings.items():
        made.add_row(name, *map(_value, values))
    console.print(made)
    short = [str(each.ensemble_id) for each in pair]
    for kind, words in _KINDS.items():
        made = table(
            "",
            *(f">σ of {n}" for n in short),
            ">ratio",
            *(f">mean of {n}" for n in short),
            *(f">< 1σ of {n}" for n in short),
        )
        for label in LABELS:
            figures, ratio = comparison.metrics[kind][label.name], comparison.ratio(kind, label.name)
            made.add_row(
                label.text,
                *(_figure(label, value) for value in figures["dispersion"]),
                "–" if ratio is None else f"{ratio:.2f}",
                *(_figure(label, value, signed=True) for value in figures["bias"]),
                *("–" if value is None else f"{100 * value:.1f} %" for value in figures["coverage_1"]),
            )
        console.print(f"\nCNN − APOGEE, {words}, each on its own training stars", made, sep="\n")
    _print_common(console, comparison, short)


def _print_common(console: Console, comparison: "Comparison", short: list[str]) -> None:
    common = comparison.common
    console.print(f"\n{thousands(common.n)} training stars in common", end="")
    if not common.n_compared:
        console.print(": none of them has out-of-fold labels by both and the same APOGEE labels.")
        return
    console.print(f"; of {thousands(common.n_compared)} both have out-of-fold labels")
    made = table(
        "",
        *(f">σ of {n}" for n in short),
        ">ratio",
        *(f">mean of {n}" for n in short),
        f">{short[1]} − {short[0]}",
        ">σ of it",
    )
    for label in LABELS:
        first, second = common.dispersion[label.name]
        mean, spread = common.difference[label.name]
        made.add_row(
            label.text,
            _figure(label, first),
            _figure(label, second),
            f"{second / first:.2f}" if first else "–",
            *(_figure(label, value, signed=True) for value in common.bias[label.name]),
            _figure(label, mean, signed=True),
            _figure(label, spread),
        )
    console.print(made)
