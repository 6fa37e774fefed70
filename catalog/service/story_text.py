"""A star's story for the terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from catalog.metadata import FLAG_DIGITS, LABELS, Label
from catalog.service.story import Cut, Explanation, FlagStory, LabelStory

__all__ = ["render_story"]

_UNITS = {**{label.name: label.unit.strip("'") for label in LABELS}, "logg": "dex", "g": "mag", "parallax": "mas"}
_DECIMALS = {**{label.name: label.decimals for label in LABELS}, "g": 2, "parallax": 3}


def render_story(story: Explanation) -> RenderableType:
    """Return `story` for a `rich.console.Console`."""
    parts: list[RenderableType] = [
        Text.assemble((f"Gaia {story.source_id}", "bold"), f"   release {story.release}, run {story.run_id}"),
        Text(""),
        *_sample(story),
        *_labels(story),
        *_flag(story),
        *_files(story),
        *_publications(story),
    ]
    return Group(*parts)


def _section(title: str, *lines: RenderableType) -> Iterator[RenderableType]:
    yield Text(title, style="bold")
    for line in lines:
        yield Padding(line, (0, 0, 0, 2))
    yield Text("")


def _table(*columns: str) -> Table:
    """Return a table without lines; ``>`` before a name aligns its column to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if right else "left", overflow="fold")
    return table


def _sample(story: Explanation) -> Iterator[RenderableType]:
    lines: list[Text] = []
    if story.role is None:
        lines.append(Text("not part of this run: no sample was selected yet, or the star has no RVS mean spectrum"))
    elif story.role == "training":
        lines.append(Text("training sample: it passes all cuts"))
    elif story.role == "observed":
        lines.append(Text("observed sample: labels are predicted, it does not train"))
    else:
        lines.append(Text("rejected: it has no labels", style="yellow"))
    if story.cut is not None:
        lines.append(_cut("rejected by", story.cut))
    if story.training_cut is not None:
        lines.append(_cut("kept out of the training sample by", story.training_cut))
    if story.apogee is not None:
        row = story.apogee
        snr = "unknown" if row.snr is None else f"{row.snr:.0f}"
        among = f", the best of {row.n_rows} rows" if row.n_rows > 1 else ""
        lines.append(Text(f"APOGEE {row.apogee_id}, S/N {snr}, row {row.row_number} of {row.name}{among}"))
    yield from _section("Sample", *lines)
    if story.quarantine:
        table = _table("File", ">Row", "Rule", "Reason")
        for entry in story.quarantine:
            table.add_row(*map(Text, (entry.name, str(entry.row_number), entry.rule, entry.reason)))
        yield from _section("Rows that were set aside", table)


def _cut(words: str, cut: Cut) -> Text:
    rule = f" ({cut.rule})" if cut.rule else ""
    return Text(f"{words} {cut.cut}{rule}: this star has {cut.value if cut.value is not None else 'none'}")


def _labels(story: Explanation) -> Iterator[RenderableType]:
    if not story.labels:
        return
    surveys = list(dict.fromkeys(survey for label in story.labels for survey in label.others))
    predicted = story.n_members is not None
    table = _table("", *([">CNN", ">± overall", ">± models"] if predicted else []), *(f">{name}" for name in surveys))
    for label, values in zip(LABELS, story.labels, strict=True):
        cells = [f"{label.text} [{_UNITS[label.name]}]"]
        if predicted:
            cells += [_number(label, value) for value in (values.value, values.sigma, values.dispersion)]
        cells += [_other(label, values, survey) for survey in surveys]
        table.add_row(*map(Text, cells))
    title = f"Labels: mean of {story.n_members} networks; other surveys as published"
    if not predicted:
        title = "Labels of other surveys, as published"
    yield from _section(title, table)


def _number(label: Label, value: float | None) -> str:
    return "" if value is None else f"{value:.{label.decimals}f}"


def _other(label: Label, values: LabelStory, survey: str) -> str:
    value, error = values.others.get(survey, (None, None))
    return _number(label, value) + ("" if error is None else f" ± {_number(label, error)}")


def _flag(story: Explanation) -> Iterator[RenderableType]:
    if story.flag_boundary is None:
        return
    table = _table(">Digit", "", ">Value", "Training sample", "")
    for digit, values in zip(FLAG_DIGITS, story.flag, strict=True):
        verdict = Text("1 outside", style="yellow") if values.outside else Text("0 inside")
        if digit.name == "tsne":
            verdict = Text("1 unlike", style="yellow") if values.outside else Text("0 like")
        table.add_row(Text(str(digit.position)), Text(digit.text), Text(_value(values)), Text(_limits(values)), verdict)
    lines: list[RenderableType] = [table]
    lines += [Text(f"{digit.position}  {digit.words}") for digit in story.flag if digit.outside and digit.words]
    if story.likeness:
        maps = _table(">Perplexity", ">Distance", ">Limit", "")
        for each in story.likeness:
            maps.add_row(
                str(each.perplexity),
                f"{each.distance:.3g}",
                f"{each.threshold:.3g}",
                Text.assemble(
                    "like" if each.is_like else ("unlike", "yellow"), ", placed later" if each.is_placed else ""
                ),
            )
        lines += [Text("\nDistance to the nearest training star in each t-SNE map:"), maps]
    if story.companion is not None:
        found = story.companion
        lines.append(
            Text(
                f"\nWithout t-SNE: the most similar training star is Gaia {found.nearest}, at {found.distance:.3g} "
                f"(limit {found.threshold:.3g});\n{found.quantile:.1%} of the training stars have a nearer one: "
                f"{'outside' if found.is_outside else 'inside'}"
            )
        )
    yield from _section(f"flag_boundary {story.flag_boundary}", *lines)


def _value(digit: FlagStory) -> str:
    if digit.value is None:
        return ""
    return f"{digit.value:.{_DECIMALS[digit.name]}f} {_UNITS[digit.name]}"


def _limits(digit: FlagStory) -> str:
    if digit.lower is None or digit.upper is None:
        return ""
    decimals = _DECIMALS[digit.name]
    return f"{digit.lower:.{decimals}f} to {digit.upper:.{decimals}f}"


def _files(story: Explanation) -> Iterator[RenderableType]:
    if not story.files:
        return
    table = _table("Survey", "File", ">Row", "SHA-256", "Ingested")
    for row in story.files:
        table.add_row(
            row.survey,
            Text(row.name),
            "" if row.row_number is None else str(row.row_number),
            row.sha256[:12],
            f"{row.ingested_at:%Y-%m-%d %H:%M}",
        )
    yield from _section("Files", table)


def _publications(story: Explanation) -> Iterator[RenderableType]:
    lines = [
        Text(
            f"version {each.version} of {each.published_at:%Y-%m-%d %H:%M}, run {each.run_id}"
            + (" (current)" if each.is_current else "")
        )
        for each in story.publications
    ]
    yield from _section("Published in", *(lines or [Text("no version")]))
