"""What the paper states: ``paper.toml``, read and checked."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog.errors import ConfigurationError
from catalog.validation.results import label_of

__all__ = ["KINDS", "Kind", "Origin", "Ref", "Section", "Statement", "Value", "load_statements"]

Value = float | int | str | tuple[float | int | str, ...]
"""A number, a text, or several of them in order."""

Kind = Literal["setting", "count", "value", "about", "range", "at most", "at least", "above", "not judged"]

KINDS: dict[Kind, str] = {
    "setting": "has to be the same",
    "count": "within the tolerance of the release's counts",
    "value": "within 10 % or the rounding of the stated figure",
    "about": "within 25 %",
    "range": "within the range or its rounding",
    "at most": "not larger",
    "at least": "not smaller",
    "above": "larger",
    "not judged": "not judged",
}
"""Ways to hold a run's number against the paper's; a statement may name its own tolerance."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ref(_Model):
    """A number of the paper that another file holds; one of the two."""

    release: str | None = None
    """Dotted name in the release's description, for instance ``expected.training``."""
    check: str | None = None
    """Comparison, subset and label of a check of ``checks.toml`` that states the paper's dispersion."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.release is None) == (self.check is None):
            raise ValueError("a value that stands elsewhere is named by either 'release' or 'check'")
        return self


class Origin(_Model):
    """Where the run's number comes from; exactly one of the first eight."""

    result: str | None = None
    """``comparison | subset | label | column`` of the rows of a comparison; in the subset, ``*`` stands for any ending
    and ``?`` for any character."""
    query: str | None = None
    """``file | name``: a row of ``sql/validation/<file>.sql``."""
    selection: str | None = None
    """Name or cut of a line of the selection's report."""
    profile: str | None = None
    """Dotted name in the run's profile."""
    release: str | None = None
    """Dotted name in the release's description."""
    parameter: str | None = None
    """Parameter of the queries in ``checks.toml``."""
    fact: str | None = None
    """Name of a figure that follows from settings, in `catalog.validation.parity.facts`."""
    nothing: str | None = None
    """Why no run has such a number."""
    take: Literal["sum", "extremes", "largest", "smallest", "size", "extreme sizes"] | None = None
    """What to make of several rows, or, ``size``, of a number's sign."""
    relative_to: str | None = None
    """Rows, written as in `result`, whose number the run's is divided by."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.given) != 1:
            raise ValueError("'from' names exactly one place where the run's number is found")
        parts = {"result": 4, "query": 2}
        for name in ("result", "relative_to", "query"):
            text = getattr(self, name)
            if text is not None and len(text.split(" | ")) != parts.get(name, 4):
                raise ValueError(f"{name} = {text!r} does not have {parts.get(name, 4)} parts divided by ' | '")
        return self

    @property
    def given(self) -> list[str]:
        """Names of the places that are named."""
        places = ("result", "query", "selection", "profile", "release", "parameter", "fact", "nothing")
        return [name for name in places if getattr(self, name) is not None]


class Statement(_Model):
    """One number of the paper."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    at: str
    """Section, figure or table."""
    text: str
    """What is stated, in a few words."""
    value: Value | Ref
    unit: str = ""
    kind: Kind = "value"
    tolerance: float | None = Field(default=None, ge=0)
    """Largest difference, in the unit of the value, in place of that of `kind`."""
    applies: Literal["any", "paper"] = "paper"
    """``any``: to every run. ``paper``: to a run with the paper's spectra."""
    network: Literal["full", "rvs"] | None = None
    """Inputs of the ensemble that the number belongs to, see `NetworkSettings.variant`."""
    origin: Origin = Field(alias="from")
    decided: str = ""
    """What holds where the paper contradicts itself, or leaves something open."""
    superseded: bool = False
    """The paper contradicts this number, and it is not the one that holds: the run's stands beside it, unjudged."""
    missing: str = "the run has no such stars"
    """What it means when a query finds nothing."""

    @property
    def is_interval(self) -> bool:
        """Whether several values are the ends of a range, not one after the other."""
        return self.kind == "range" or self.origin.take in ("extremes", "extreme sizes")


class Section(_Model):
    """Statements that are shown together."""

    name: str
    title: str
    statements: tuple[Statement, ...]


@cache
def load_statements() -> tuple[Section, ...]:
    """Read ``paper.toml``.

    Returns
    -------
    tuple of Section
        In the order of the file.

    Raises
    ------
    ConfigurationError
        An entry is invalid, or two have the same id.
    """
    name = "catalog/validation/parity/paper.toml"
    raw = tomllib.loads(files(__package__).joinpath("paper.toml").read_text(encoding="utf-8"))
    try:
        sections = tuple(_section(key, table) for key, table in raw.items())
    except ValidationError as error:
        details = "; ".join(
            f"{e['input'].get('id') if isinstance(e['input'], dict) else e['input']!r}: {e['msg']}"
            for e in error.errors()
        )
        raise ConfigurationError(f"{name}: {details}.") from error
    ids = [statement.id for section in sections for statement in section.statements]
    if repeated := sorted({each for each in ids if ids.count(each) > 1}):
        raise ConfigurationError(f"{name}: two statements have the id {', '.join(repeated)}.")
    return sections


def _section(name: str, table: dict[str, Any]) -> Section:
    """Read a section: what stands beside its numbers holds for each of them that says nothing else."""
    title, numbers = table.pop("title"), table.pop("numbers")
    statements = [Statement.model_validate(each) for entry in numbers for each in _each_label({**table, **entry})]
    return Section(name=name, title=title, statements=tuple(statements))


def _each_label(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make one statement a label of an entry with ``labels``: values by column name, or names of columns."""
    labels = entry.pop("labels", None)
    if labels is None:
        yield entry
        return
    for name in labels:
        label = label_of(name)
        if label is None:
            raise ConfigurationError(f"catalog/validation/parity/paper.toml: {entry['id']} names a label {name!r}.")
        made = _filled(entry, name)
        own = {
            "id": f"{entry['id']}_{name}",
            "text": f"{entry['text']}: {label.text}",
            "unit": entry.get("unit", "K" if name == "teff" else "dex"),
        }
        yield {**made, **own, **({"value": labels[name]} if isinstance(labels, dict) else {})}


def _filled(value: Any, label: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, label) for key, each in value.items()}
    return value.replace("{label}", label) if isinstance(value, str) else value
