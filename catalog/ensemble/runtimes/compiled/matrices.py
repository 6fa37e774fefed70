"""Products of small constant matrices with vectors, with as few instructions as their symmetries allow."""

from collections.abc import Sequence
from typing import Any

from catalog.ensemble.runtimes.compiled.lanes import Lanes

__all__ = ["columns_times", "rows_times"]


def rows_times(lanes: Lanes, matrix: Sequence[Sequence[float]], values: Sequence[Any]) -> list[Any]:
    """Return a matrix times vectors; rows that differ in the signs of every second column share their halves."""
    results: dict[int, Any] = {}
    for i, row in enumerate(matrix):
        if i in results:
            continue
        mirrored = tuple(c if k % 2 == 0 else -c for k, c in enumerate(row))
        for sign in (1.0, -1.0):
            image = tuple(sign * c for c in mirrored)
            j = next((j for j in range(i + 1, len(matrix)) if tuple(matrix[j]) == image), None)
            if j is None or image in (tuple(row), tuple(-c for c in row)):
                continue
            even, odd = lanes.combine(row[::2], values[::2]), lanes.combine(row[1::2], values[1::2])
            results[i] = lanes.add(even, odd)
            first, second = (even, odd) if sign > 0 else (odd, even)
            results[j] = lanes.builder.fsub(first, second)
            break
        else:
            results[i] = lanes.combine(row, values)
    return [results[i] for i in range(len(matrix))]


def columns_times(lanes: Lanes, matrix: Sequence[Sequence[float]], values: Sequence[Any]) -> list[Any]:
    """As `rows_times`, where columns of the matrix mirror each other: their vectors are added and subtracted first."""
    columns = list(zip(*matrix, strict=True))
    terms: list[tuple[tuple[float, ...], Any]] = []
    done: set[int] = set()
    for i, column in enumerate(columns):
        if i in done:
            continue
        image = tuple(c if k % 2 == 0 else -c for k, c in enumerate(column))
        j = next((j for j in range(i + 1, len(columns)) if columns[j] == image and j not in done), None)
        if j is None or image == column:
            terms.append((column, values[i]))
            continue
        done.add(j)
        terms.append((tuple(c if k % 2 == 0 else 0.0 for k, c in enumerate(column)), lanes.add(values[i], values[j])))
        odd = tuple(c if k % 2 else 0.0 for k, c in enumerate(column))
        terms.append((odd, lanes.builder.fsub(values[i], values[j])))
    return [lanes.combine([term[0][k] for term in terms], [term[1] for term in terms]) for k in range(len(matrix))]
