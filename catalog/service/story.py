"""What there is to tell about one star."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

__all__ = [
    "ApogeeRow",
    "Companion",
    "Cut",
    "Explanation",
    "FlagStory",
    "LabelStory",
    "Likeness",
    "PublishedIn",
    "QuarantinedRow",
    "SurveyRow",
]


@dataclass(frozen=True)
class SurveyRow:
    """A row of the star in a survey table, and the file that it was read from."""

    survey: str
    row_number: int | None
    """In the file; None where rows are known by source_id."""
    name: str
    product: str
    sha256: str
    ingested_at: datetime


@dataclass(frozen=True)
class QuarantinedRow:
    """A row of the star that was not taken over."""

    name: str
    product: str
    row_number: int
    rule: str
    reason: str


@dataclass(frozen=True)
class Cut:
    """The first cut that a star failed."""

    cut: str
    rule: str
    """What a star must fulfil, in words."""
    value: str | None
    """What this star has."""


@dataclass(frozen=True)
class ApogeeRow:
    """The APOGEE row that is used for the star."""

    apogee_id: str
    telescope: str | None
    field: str | None
    snr: float | None
    row_number: int
    name: str
    """Of the file."""
    n_rows: int
    """Rows that APOGEE has of the star."""


@dataclass(frozen=True)
class LabelStory:
    """One label, and what other surveys say."""

    name: str
    """As in `catalog.metadata.LABELS`."""
    value: float | None
    dispersion: float | None
    """Standard deviation over the ensemble's members."""
    sigma: float | None
    """Overall uncertainty."""
    others: dict[str, tuple[float, float | None]]
    """Survey -> value and error."""


@dataclass(frozen=True)
class FlagStory:
    """One digit of ``flag_boundary``."""

    position: int
    name: str
    outside: bool
    value: float | None
    lower: float | None
    upper: float | None
    """Limits of the training sample; None for the digit of t-SNE."""
    words: str
    """What the digit means for this star."""


@dataclass(frozen=True)
class Likeness:
    """The star's place in one t-SNE map."""

    perplexity: int
    distance: float
    """To the nearest (other) training star."""
    threshold: float
    is_like: bool
    is_placed: bool = False
    """The map is older than the star: it was placed there."""


@dataclass(frozen=True)
class Companion:
    """The training star whose spectrum is most similar, found without t-SNE."""

    nearest: int
    """Its source_id."""
    distance: float
    """Between the spectra as principal components, units of normalised flux."""
    threshold: float
    """Beyond it a star lies outside."""
    quantile: float
    """Share of training stars whose own distance is smaller."""
    is_outside: bool


@dataclass(frozen=True)
class PublishedIn:
    """A catalogue version that holds the star."""

    version: int
    run_id: int
    is_current: bool
    published_at: datetime


@dataclass(frozen=True)
class Explanation:
    """One star's story in one run."""

    source_id: int
    release: str
    run_id: int
    files: list[SurveyRow]
    quarantine: list[QuarantinedRow]
    role: str | None
    """``training``, ``observed``, ``rejected``; None when the run has not selected or has no spectrum of it."""
    cut: Cut | None
    """First cut of the observed sample that it failed."""
    training_cut: Cut | None
    """First cut of the training sample that it failed."""
    apogee: ApogeeRow | None
    n_members: int | None
    ensemble: str | None
    """Key of the ensemble that made its labels."""
    labels: list[LabelStory]
    """In the order of `catalog.metadata.LABELS`."""
    flag_boundary: str | None
    flag: list[FlagStory]
    """The eight digits; empty before flags are made."""
    likeness: list[Likeness]
    companion: Companion | None
    publications: list[PublishedIn]

    def as_json(self) -> dict[str, Any]:
        """Return the story as JSON's own types; the identifier as text, which no reader rounds."""
        return {**_plain(asdict(self)), "source_id": str(self.source_id)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
