"""Page, JSON and CSV of a comparison, beside the report of the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog import __version__
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.validation.against.comparing import Comparison
from catalog.validation.against.differences import setting_words
from catalog.validation.against.results import CHANGES
from catalog.validation.against.stars import Pairs
from catalog.validation.checks import load_checks
from catalog.validation.figures.against import Drawn, draw_against
from catalog.validation.images import embed
from catalog.validation.pages import nice, page_environment, style_sheet
from catalog.validation.results import format_value

__all__ = ["Files", "files_of", "words_of_place", "write_comparison"]


@dataclass(frozen=True)
class Files:
    """Where a comparison is written."""

    page: Path
    json: Path
    csv: Path
    """Stars that changed by more than so many sigma."""

    @property
    def stem(self) -> str:
        """Beginning of the names of all its files."""
        return self.page.stem


def files_of(folder: Path, slug: str) -> Files:
    """Return the files of the comparison with `slug`, ``run-<number>`` or ``published``, in `folder`."""
    return Files(*(folder / f"against-{slug}.{ending}" for ending in ("html", "json", "csv")))


def write_comparison(comparison: Comparison, pairs: Pairs, changed: Path, folder: Path) -> Files:
    """Write page, JSON and figures of a comparison, and put the CSV file beside them.

    Parameters
    ----------
    comparison : Comparison
    pairs : Pairs
        Columns for the figures.
    changed : pathlib.Path
        The CSV file of `comparison`: it is moved.
    folder : pathlib.Path
        Report folder of the run, on the same disk as `changed`.

    Returns
    -------
    Files
    """
    files = files_of(folder, comparison.other.slug)
    figures = draw_against(comparison, pairs, folder, files.stem)
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = {**comparison.as_dict(), "rvscat": __version__, "written": written}
    text = json.dumps(_finite(facts), indent=1, ensure_ascii=False, allow_nan=False, default=str)
    # Readers see the old page or the new one, never half of one.
    changed.replace(files.csv)
    _replace(files.json, text + "\n")
    _replace(files.page, _page(comparison, figures, files, written))
    return files


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _finite(value: Any) -> Any:
    """Return `value` with None for what JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def words_of_place(row: Mapping[str, Any], this: str, other: str) -> str:
    """Return what a row of ``sql/validation/against_coverage.sql`` means.

    Parameters
    ----------
    row : mapping
    this, other : str
        Names of the two catalogues.
    """
    role, other_role, cut = row["role"], row["other_role"], row["cut"]
    if row["place"] == "both":
        if other_role is None or role == other_role:
            return f"in both, {role}"
        why = f": {cut} kept it from the training sample" if cut else ""
        return f"in both, {role} in {this}, {other_role} in {other}{why}"
    here, there, absent = (this, other, other_role) if row["place"] == "this" else (other, this, role)
    sample = role if row["place"] == "this" else other_role
    found = f"in {here} alone{f', {sample}' if sample else ''}"
    if there == "published":
        return f"{found}; not in the published catalogue"
    if absent is None:
        return f"{found}; unknown to {there}: it had no spectrum of this star"
    if absent == "rejected":
        return f"{found}; rejected in {there} by {cut}"
    return f"{found}; {absent} in {there}, but without labels"


def _page(comparison: Comparison, figures: Sequence[Drawn], files: Files, written: str) -> str:
    environment = page_environment()
    environment.filters |= {
        "difference": format_value,
        "percent": lambda x: "–" if x is None else f"{100 * x:.2f} %",
        "net": lambda n: f"{n:+,}".replace("-", "−") if n else "0",
        "value": _value,
        "sigmas": lambda x: "–" if x is None else f"{x:+.2f}".replace("-", "−"),
        "nice": nice,
        "setting": setting_words,
    }
    this, other = comparison.this, comparison.other
    names = {"this": this.short, "other": other.short, "sigma": f"{comparison.sigma:g}"}
    return environment.get_template("against.html.j2").render(
        css=style_sheet(),
        against=comparison,
        this=this,
        other=other,
        files=files,
        written=written,
        labels={label.name: label for label in LABELS},
        digits=[("any", "any digit"), *((digit.name, digit.text) for digit in FLAG_DIGITS)],
        changes=CHANGES,
        titles={name: each.title for name, each in load_checks().comparisons.items()},
        places=[(words_of_place(row, this.short, other.short), row) for row in comparison.coverage],
        figures=[
            (figure, _sentence(figure.caption.format_map(names)), embed(path) if path else None, reason)
            for figure, path, reason in figures
        ],
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _value(value: float | None, name: str) -> str:
    """Write a label with the digits that are worth printing."""
    decimals = next(label.decimals for label in LABELS if label.name == name)
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "−")
