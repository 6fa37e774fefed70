"""What a person sees of two catalogues side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.ensembles_display import table
from catalog.cli.words import thousands
from catalog.metadata import FLAG_DIGITS, LABELS

if TYPE_CHECKING:
    from catalog.validation.against import Comparison

__all__ = ["print_against"]

_COLOURS = {"pass": "bold green", "warn": "bold yellow", "fail": "bold red", "info": "bold"}
_STARS = 5
_CHECKS = 8
_SETTINGS = 12


def print_against(console: Console, found: "Comparison", page: Path) -> None:
    """Print what two catalogues differ in.

    Parameters
    ----------
    console : rich.console.Console
    found : Comparison
    page : pathlib.Path
        The page that tells all of it.
    """
    title = f"{found.this.title} against {found.other.title}, {found.this.release}"
    console.print(Text(title[0].upper() + title[1:]))
    console.print(Text(found.headline, style=_COLOURS[found.status]), soft_wrap=True)
    parts = [_places(found), _labels(found), _flags(found), _largest(found), _checks(found), _differences(found)]
    for part in parts:
        if part is not None:
            console.print()
            console.print(part)
    console.print(f"\nPage   {page}", soft_wrap=True, markup=False)
    console.print(f"Stars  {page.with_suffix('.csv')}", soft_wrap=True, markup=False)


def _places(found: "Comparison") -> Table:
    from catalog.validation.against.report import words_of_place

    made = table(">Stars", "Where")
    for row in found.coverage:
        made.add_row(thousands(row["n"]), Text(words_of_place(row, found.this.short, found.other.short)))
    return made


def _labels(found: "Comparison") -> Table:
    from catalog.validation.results import format_value

    made = table(
        "Change", ">Stars", ">Bias", ">Dispersion", ">Robust", ">Beyond 1 σ", ">3 σ", ">5 σ",
        title="All stars in both",
    )  # fmt: skip
    for label, row in zip(LABELS, (row for row in found.labels if row["subset"] == "all"), strict=True):
        made.add_row(
            label.text,
            thousands(row["n"]),
            format_value(label.name, row["bias"], signed=True),
            format_value(label.name, row["dispersion"]),
            format_value(label.name, row["robust_dispersion"]),
            *(_number(_percent(row[f"beyond_{k}"]), ".2f", " %") for k in (1, 3, 5)),
        )
    return made


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}".replace("-", "−")


def _flags(found: "Comparison") -> Table | Text:
    rows = {row["label"]: row for row in found.flags if row["subset"] == "all"}
    if not rows:
        return Text("Flags: no star has one in both.", style="dim")
    names = {"any": "any digit", **{digit.name: digit.text for digit in FLAG_DIGITS}}
    made = table("Flag", ">Set in both", ">Appeared", ">Vanished", ">Net")
    for name, words in names.items():
        row = rows[name]
        counts = [thousands(row[key]) for key in ("both", "appeared", "vanished")]
        net = row["appeared"] - row["vanished"]
        made.add_row(words, *counts, _number(net, "+,") if net else "0")
    return made


def _largest(found: "Comparison") -> Table | Text:
    if not found.largest:
        return Text(f"No star has a label that changed by more than {found.sigma:g} σ.", style="dim")
    made = table(
        "source_id", "Label", ">Was", ">Is", ">Change", "Flag was", "Flag",
        title=f"Largest of {found.n_changed:,} changes by more than {found.sigma:g} σ",
    )  # fmt: skip
    for star in found.largest[:_STARS]:
        made.add_row(*_star(star))
    return made


def _star(star: Mapping[str, Any]) -> list[str]:
    from catalog.validation.results import format_value

    label = next(each for each in LABELS if each.name == star["label"])
    values = [format_value(label.name, star[name]) for name in (f"{label.name}_other", label.name)]
    flags = [star[name] or "–" for name in ("flag_boundary_other", "flag_boundary")]
    return [str(star["source_id"]), label.text, *values, f"{_number(star['change'], '+.1f')} σ", *flags]


def _checks(found: "Comparison") -> Table | Text | None:
    if found.other.published:
        return Text("The published catalogue has no validation results here: checks are not compared.", style="dim")
    if not found.worse:
        return None
    more = len(found.worse) - _CHECKS
    made = table(
        "Comparison", "Stars", "Label", "Was", "Is", "What got worse",
        title="Checks that got worse" + (f" (the first {_CHECKS} of {len(found.worse)})" if more > 0 else ""),
    )  # fmt: skip
    texts = {label.name: label.text for label in LABELS}
    for each in found.worse[:_CHECKS]:
        made.add_row(
            each.comparison,
            Text(each.subset),
            texts.get(each.label, each.label),
            each.status_other or "",
            Text(each.status or "", style=_COLOURS.get(each.status or "", "")),
            Text(each.why.partition(": ")[2] if " → " in each.why else each.why),
        )
    return made


def _differences(found: "Comparison") -> Table | Text | None:
    from catalog.validation.against.differences import setting_words

    if found.other.published:
        return None
    rows = [(group, name, pair) for group, values in found.differences.items() for name, pair in values.items()]
    if not rows:
        return Text("Both have the same settings, ensemble, limits and software.", style="dim")
    more = len(rows) - _SETTINGS
    made = table(
        "Differs in", "Setting", found.this.short.capitalize(), found.other.short.capitalize(),
        title=f"{more} more differences are on the page" if more > 0 else None,
    )  # fmt: skip
    for group, name, pair in rows[:_SETTINGS]:
        made.add_row(group, name, *(Text(setting_words(value)) for value in pair))
    return made
