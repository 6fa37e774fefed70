"""Small batches joined to larger ones: a round trip to the database costs as much as many rows."""

from collections.abc import Iterable, Iterator

import numpy as np

from catalog.surveys.batch import SurveyBatch

__all__ = ["merge_batches"]

_ROWS = 256


def merge_batches(batches: Iterable[SurveyBatch], order_by: str | None = None) -> Iterator[SurveyBatch]:
    """Join neighbouring batches until they have a useful number of rows; large ones pass as they are.

    Parameters
    ----------
    batches : iterable of SurveyBatch
    order_by : str, optional
        Column by which the rows of a batch are sorted.

    Yields
    ------
    SurveyBatch
    """
    pending: list[SurveyBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(map(len, pending)) >= _ROWS:
            yield _merged(pending, order_by)
            pending = []
    if pending:
        yield _merged(pending, order_by)


def _merged(batches: list[SurveyBatch], order_by: str | None) -> SurveyBatch:
    if len(batches) == 1:
        return batches[0]
    columns = {name: _concatenated([batch.columns[name] for batch in batches]) for name in batches[0].columns}
    row_number = np.concatenate([batch.row_number for batch in batches])
    rejections = [rejection for batch in batches for rejection in batch.rejections]
    if order_by is not None:
        index = np.argsort(np.ma.getdata(columns[order_by]), kind="stable")
        columns = {name: values[index] for name, values in columns.items()}
        row_number = row_number[index]
    return SurveyBatch(columns, row_number, rejections, batches[-1].fraction)


def _concatenated(arrays: list[np.ndarray]) -> np.ndarray:
    if any(isinstance(array, np.ma.MaskedArray) for array in arrays):
        return np.ma.concatenate(arrays)
    return np.concatenate(arrays)
