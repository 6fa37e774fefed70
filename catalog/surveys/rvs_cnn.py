"""The published RVS-CNN catalogue itself (Table 2 of Guiglion et al. 2024), to compare labels with.

Layout: Table 2 of the paper [doc]; a public script that reads the authors' CSV file [code] calls the
identifier ``source_id`` and compares ``flag_boundary`` with the number 0. No file of the archive was seen.
Exports of rvscat have the same columns. ``flag_boundary`` is eight digits: a program that took it for a
number, as Table 2 types it, has dropped its leading zeros, which are put back.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from catalog.metadata.columns import RVS_CNN
from catalog.releases import Release
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Column, Notices
from catalog.surveys.product import Product, check_source_id, read_rows
from catalog.surveys.tables import RawTable

__all__ = ["PRODUCT"]

_FLAG = "flag_boundary"
_LENGTH = 8

_COLUMNS = (
    Column("source_id", "bigint", required=True, names=("sourceid", "source_id")),
    *(Column(name, "real", required=True) for name in RVS_CNN.column_names if name not in ("sourceid", _FLAG)),
    Column(_FLAG, "text", required=True),
)


def _read(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    n_padded = 0
    for batch in read_rows(product, table, release, notices):
        flags = batch.columns[_FLAG]
        padded = np.array([flag.zfill(_LENGTH) for flag in flags], dtype=object)
        n_padded += int((padded != flags).sum())
        yield replace(batch, columns={**batch.columns, _FLAG: padded})
    if n_padded:
        notices.texts.append(f"{product.name}: {_FLAG} was a number in {n_padded:,} rows, leading zeros put back")


def _check(screen: Screen) -> None:
    check_source_id(screen)
    # A float column prints 0 as 0.0.
    flags = np.array(
        [None if flag is None else flag.removesuffix(".0") for flag in screen.columns[_FLAG]], dtype=object
    )
    screen.columns[_FLAG] = flags
    wrong = [flag is None or not 0 < len(flag) <= _LENGTH or bool(set(flag) - {"0", "1"}) for flag in flags]
    screen.reject(np.array(wrong, dtype=bool), _FLAG, lambda i: f"{_FLAG} {flags[i]!r} is not {_LENGTH} digits 0 or 1")


PRODUCT = Product(
    name="rvs_cnn",
    title="Published RVS-CNN catalogue",
    columns=_COLUMNS,
    tables={"survey.rvs_cnn_star": tuple(column.name for column in _COLUMNS)},
    identifier="source_id",
    check=_check,
    reader=_read,
    optional=True,
)
