"""``xp_continuous_mean_spectrum`` of Gaia: coefficients of the BP and RP mean spectra.

Layout: DataLink RAW in CSV (round brackets, comma and blank), ECSV (square brackets), FITS (arrays of
varying length) and VOTable (BINARY2, TABLEDATA), all seen in real files; bulk files as users of the
archive describe them. A star without BP keeps its row: its BP arrays are null. Also read is a flattened
table with ``bp_coeff_0`` ... ``rp_coeff_54``, which is not the archive's own.
Archive page: Gaia DR3 documentation, chapter 20.12, xp_continuous_mean_spectrum.
"""

from collections.abc import Iterator

import numpy as np

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys import convert
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Column, Notices, find_columns
from catalog.surveys.product import Product, check_source_id, convert_columns
from catalog.surveys.tables import RawBlock, RawTable

__all__ = ["PRODUCT"]

_BANDS = ("bp", "rp")

_COLUMNS = (
    Column("source_id", "bigint", required=True),
    Column("bp_coefficients", "array", required=True),
    Column("rp_coefficients", "array", required=True),
    Column("bp_n_relevant_bases", "smallint"),
    Column("rp_n_relevant_bases", "smallint"),
)


def _read(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    is_flat = "bp_coeff_0" in (name.lower() for name in table.names)
    lengths = {"bp": release.xp.bp_coefficients, "rp": release.xp.rp_coefficients}
    flat = {band: [f"{band}_coeff_{i}" for i in range(lengths[band])] if is_flat else [] for band in _BANDS}
    if missing := [name for band in _BANDS for name in flat[band] if name not in table.names]:
        raise FormatError(f"{table.path} lacks {missing[0]}, which {product.name} needs.")
    columns = tuple(column for column in product.columns if not (is_flat and column.kind == "array"))
    extra = [*flat["bp"], *flat["rp"]]
    found = find_columns(columns, table, product.name, notices, also_used=extra)
    for block in table.blocks([*found.values(), *extra]):
        screen = convert_columns(product, block, found)
        check_source_id(screen)
        for band in _BANDS:
            name = f"{band}_coefficients"
            raw = _stack(block, flat[band]) if is_flat else block.columns[found[name]]
            _take_array(screen, name, convert.to_arrays(raw, lengths[band], np.float64), lengths[band])
        yield screen.batch(block.fraction, "source_id")


def _stack(block: RawBlock, names: list[str]) -> np.ndarray:
    return np.column_stack([convert.to_floats(block.columns[name], np.float64)[0] for name in names])


def _take_array(screen: Screen, name: str, arrays: convert.Arrays, length: int) -> None:
    absent = (arrays.lengths == 0) & ~arrays.bad
    mask = np.broadcast_to(absent[:, None], arrays.values.shape)
    screen.columns[name] = np.ma.MaskedArray(arrays.values, mask=mask)
    screen.reject(arrays.bad, "unparsable", f"{name} is no list of numbers")
    wrong = ~absent & (arrays.lengths != length)
    screen.reject(wrong, "xp_length", lambda i: f"{name} has {arrays.lengths[i]} values, not {length}")
    unusable = ~absent & ~np.isfinite(arrays.values).all(axis=1)
    screen.reject(unusable, "not_finite", f"{name} holds a value that is not finite")


PRODUCT = Product(
    name="xp_continuous_mean_spectrum",
    title="XP continuous mean spectra",
    columns=_COLUMNS,
    tables={"survey.xp_coefficients": tuple(column.name for column in _COLUMNS)},
    identifier="source_id",
    keyed_by_source=True,
    reader=_read,
)
