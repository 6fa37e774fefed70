"""The ReadMe of tables for the CDS, after its "Standard Description for Astronomical Catalogues", version 2.0."""

import math
import re
import textwrap
from collections.abc import Sequence

from catalog.metadata import FLAG_DIGITS
from catalog.publish.formats.cds.table import CdsColumn, CdsTable
from catalog.publish.formats.layout import NOBODY, Facts

__all__ = ["readme"]

_WIDTH = 80
_RULE, _LINE = "=" * _WIDTH, "-" * _WIDTH

# VOUnit -> unit as the CDS writes it; brackets mark logarithms.
_UNITS = {None: "---", "'dex'": "[-]", "log(cm.s**-2)": "[cm/s2]", "km.s**-1": "km/s"}

_ADC_KEYWORDS = "Surveys ; Milky Way ; Stars, fundamental ; Effective temperatures ; Abundances ; Spectroscopy"
_KEYWORDS = (
    "stars: fundamental parameters - stars: abundances - Galaxy: stellar content - surveys - "
    "methods: data analysis - techniques: spectroscopic"
)
_ABSTRACT = (
    "Effective temperature, surface gravity, overall metallicity [M/H], iron abundance [Fe/H] and the abundance ratio "
    "of alpha elements [alpha/M] of stars with Gaia RVS spectra, from an ensemble of hybrid convolutional neural "
    "networks that read RVS spectra, photometry, parallaxes and XP coefficients, trained on APOGEE DR17 labels."
)
_FLAG = "flag_boundary"
# A blank where no line may end.
_TIED = "\x7f"
# Their values say nothing when they are large or small.
_NO_LIMITS = ("source_id", "run_id")


def readme(tables: Sequence[CdsTable], facts: Facts) -> str:
    """Return the ReadMe of `tables`, whose rows have all been written."""
    title = "Stellar labels of Gaia RVS stars"
    first = f"rvscat/{facts.version}"
    year = facts.published_at[:4]
    author = _plain("Authors not stated" if facts.author == NOBODY else facts.author)
    rights = f" Licence: {_plain(facts.rights)} {_plain(facts.rights_uri)}".rstrip() if facts.rights else ""
    lines = [
        f"{first:<12}{title:<34}({author.split(',')[0].split(';')[0][:26]}, {year})",
        _RULE,
        f"{title}: version {facts.version}",
        *_text(author, 4),
        f"    {facts.reference}",
        _RULE,
        *_text(f"ADC_Keywords: {_ADC_KEYWORDS}", 0, 4),
        *_text(f"Keywords: {_KEYWORDS}", 0, 4),
        "",
        "Abstract:",
        *_text(_ABSTRACT, 4),
        "",
        "Description:",
        *_text(
            f"Version {facts.version} of the catalogue, {facts.n_rows} stars, published {facts.published_at} by "
            f"production run {facts.run_id} of {facts.software}. SHA-256 of its content: {facts.sha256}. "
            f"Validation: {_plain(facts.validation)}.{rights}",
            4,
        ),
        *(line for table in tables for line in _text(f"{table.name}: {table.info.description}.", 4)),
        *_text("Blank columns are nulls. Numbers have the digits that give the binary value back exactly.", 4),
        "",
        *_summary(tables),
        "",
    ]
    for table in tables:
        lines += [*_bytes(table), ""]
    lines += ["References:", *_text("Guiglion et al., 2024A&A...682A...9G", 4), "", _RULE]
    lines.append(f"(End){'[rvscat]':>{_WIDTH - 5 - 16}}  {facts.published_at[:10]}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _summary(tables: Sequence[CdsTable]) -> list[str]:
    size = max(20, *(len(table.name) for table in tables))
    lines = ["File Summary:", _LINE, f" {'FileName':<{size}} {'Lrecl':>6} {'Records':>9}   Explanations", _LINE]
    lines.append(f"{'ReadMe':<{size + 1}} {_WIDTH:>6} {'.':>9}   This file")
    for table in tables:
        words = textwrap.wrap(table.info.title, _WIDTH - size - 21)
        lines.append(f"{table.name:<{size + 1}} {table.width:>6} {table.n_rows:>9}   {words[0]}")
        lines += [" " * (size + 21) + more for more in words[1:]]
    return [*lines, _LINE]


def _bytes(table: CdsTable) -> list[str]:
    digits = len(str(table.width))
    cells = []
    at = 1
    for each in table.columns:
        end = at + each.width - 1
        where = f"{at:>{digits}}-{end:>{digits}}" if each.width > 1 else f"{'':>{digits}} {end:>{digits}}"
        cells.append((where, each.format, _UNITS.get(each.column.unit, each.column.unit or "---"), each.column.name))
        at = end + 2
    heads = ("Bytes", "Format", "Units", "Label")
    sizes = [max(len(head), *(len(row[i]) for row in cells)) for i, head in enumerate(heads)]
    start = 1 + sum(sizes) + len(sizes)
    lines = [
        f"Byte-by-byte Description of file: {table.name}",
        _LINE,
        " " + " ".join(f"{head:<{size}}" for head, size in zip(heads, sizes, strict=True)) + " Explanations",
        _LINE,
    ]
    for row, each in zip(cells, table.columns, strict=True):
        front = " " + " ".join(f"{cell:<{size}}" for cell, size in zip(row, sizes, strict=True)) + " "
        words = textwrap.wrap(
            # A line that begins with a number would be read as another column.
            re.sub(r" (?=[0-9])", _TIED, _explanation(each)),
            _WIDTH - start,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [
            (front + words[0]).replace(_TIED, " "),
            *(" " * start + more.replace(_TIED, " ") for more in words[1:]),
        ]
    lines.append(_LINE)
    if any(each.column.name == _FLAG for each in table.columns):
        lines += _flag_note()
    size = max(len(each.column.name) for each in table.columns)
    lines.append("Note (2): UCDs of the columns:")
    lines += [f"    {each.column.name:<{size}}  {each.column.ucd}" for each in table.columns]
    return [*lines, _LINE]


def _explanation(each: CdsColumn) -> str:
    limits = ""
    if each.kind.kind in "if" and each.lowest <= each.highest and each.column.name not in _NO_LIMITS:
        limits = f"[{_rounded(each.lowest, math.floor)}/{_rounded(each.highest, math.ceil)}]"
    mark = "? " if each.column.nullable else " " if limits else ""
    note = " (1)" if each.column.name == _FLAG else ""
    return f"{limits}{mark}{each.column.description}{note}"


def _rounded(value: float, towards: object) -> str:
    """Return a value with few digits that lies outside, not inside."""
    assert callable(towards)
    number = float(value)
    if number == int(number) and abs(number) < 1e6:
        return str(int(number))
    text = f"{number:.3g}"
    if (float(text) <= number) == (towards is math.floor) or float(text) == number:
        return text
    # Rounded to the wrong side: one unit of the third digit further.
    unit = 10.0 ** (math.floor(math.log10(abs(number))) - 2)
    further = float(text) + (-unit if towards is math.floor else unit)
    return f"{further:.3g}" if unit and math.isfinite(further) else repr(number)


def _flag_note() -> list[str]:
    lines = ["Note (1): Eight digits, each 0 or 1; 00000000 is recommended. From the left,", "  a digit is 1 where:"]
    lines += [f"    digit {digit.position} = {digit.words.replace('α', 'alpha')}" for digit in FLAG_DIGITS]
    return lines


def _text(text: str, indent: int, more: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if more is None else more),
        break_on_hyphens=False,
    )
