"""Batches: checked rows on their way into the database, and the rows that were set aside."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from catalog.surveys.tables import Rejection

__all__ = ["Screen", "SurveyBatch"]


@dataclass(frozen=True)
class SurveyBatch:
    """Rows of a survey product, ready for COPY."""

    columns: dict[str, np.ndarray]
    """By database name. Numbers shape (n,), masked or NaN where null; text as objects; arrays (n, length)."""
    row_number: np.ndarray
    """Shape (n,), int64; 1 is the file's first data row."""
    rejections: list[Rejection] = field(default_factory=list)
    fraction: float = 1.0
    """Part of the file that has been read so far, 0 to 1."""

    def __len__(self) -> int:
        return len(self.row_number)

    @property
    def last_row(self) -> int:
        """Largest row number of the batch, rows that were set aside included; 0 when it has none."""
        numbers = [int(self.row_number.max(initial=0)), *(rejection.row_number for rejection in self.rejections)]
        return max(numbers)

    def shifted(self, n_rows: int) -> "SurveyBatch":
        """Return the batch with row numbers counted from `n_rows` before it: files may hold several tables."""
        if not n_rows:
            return self
        rejections = [replace(rejection, row_number=rejection.row_number + n_rows) for rejection in self.rejections]
        return replace(self, row_number=self.row_number + n_rows, rejections=rejections)


@dataclass
class Screen:
    """Rows under examination: checks set rows aside, each for the first rule it breaks."""

    columns: dict[str, np.ndarray]
    row_number: np.ndarray
    identifier: np.ndarray | None = None
    """Name or number of each row, shape (n,); masked or None where it has none."""
    rejections: list[Rejection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = np.ones(len(self.row_number), dtype=bool)

    def reject(self, rows: np.ndarray, rule: str, reason: str | Callable[[int], str]) -> None:
        """Set `rows` aside.

        Parameters
        ----------
        rows : numpy.ndarray
            Shape (n,), bool.
        rule : str
            Short name of the rule that they break.
        reason : str or callable
            Sentence for a person, or a function of the index that makes it.
        """
        for i in np.flatnonzero(np.asarray(rows) & self.kept).tolist():
            text = reason(i) if callable(reason) else reason
            self.rejections.append(Rejection(int(self.row_number[i]), self._identify(i), rule, text))
            self.kept[i] = False

    def batch(self, fraction: float = 1.0, order_by: str | None = None) -> SurveyBatch:
        """Return the rows that are left, in the order of the column `order_by` if given."""
        index = np.flatnonzero(self.kept)
        if order_by is not None:
            index = index[np.argsort(np.ma.getdata(self.columns[order_by])[index], kind="stable")]
        if len(index) == len(self.kept) and (np.diff(index) > 0).all():
            return SurveyBatch(self.columns, self.row_number, self.rejections, fraction)
        columns = {name: values[index] for name, values in self.columns.items()}
        return SurveyBatch(columns, self.row_number[index], self.rejections, fraction)

    def _identify(self, i: int) -> str | None:
        value = None if self.identifier is None else self.identifier[i]
        return None if value is None or value is np.ma.masked else str(value)
