"""A HATS collection: the catalogue and the margin of each of its pixels (HATS 1.0; read by hats and LSDB).

Layout: ``collection.properties``; ``<name>/`` and ``<name>_margin_10arcs/``, each with ``hats.properties``,
``partition_info.csv`` and ``dataset/Norder=K/Dir=D/Npix=N.parquet``. A first pass over the rows counts them by pixel, a
second one deals them out; memory holds one block, or one pixel.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.metadata.columns import TableInfo
from catalog.publish.formats.hats.leaves import HEALPIX, Leaves, Pixel, choose_pixels
from catalog.publish.formats.layout import Facts, Nulls
from catalog.publish.formats.parquet import arrow_batch, arrow_schema
from catalog.publish.formats.votable import votable_header
from catalog.sky.healpix import ORDER, pixels, pixels_within

__all__ = ["MARGIN", "HatsCollection"]

MARGIN = 10.0
"""Arcseconds around a pixel whose stars its margin holds: wider than crossmatches of Gaia stars need."""

_FINEST = 8
_EDGE = 12
_MOST_ROWS = 250_000


class HatsCollection:
    """Writes one collection.

    Parameters
    ----------
    folder : Path
        Made.
    info : TableInfo
        With the columns ``ra`` and ``dec``.
    facts : Facts
    most_rows : int
        Rows that a pixel may have before it is divided.
    finest : int
        Order of pixels that are not divided again.
    """

    def __init__(
        self, folder: Path, info: TableInfo, facts: Facts, most_rows: int = _MOST_ROWS, finest: int = _FINEST
    ) -> None:
        self._folder, self._info, self._facts = folder, info, facts
        self._most, self._finest = most_rows, finest
        self._counts = np.zeros(12 * 4**finest, dtype=np.int64)
        self._names = (info.name, f"{info.name}_margin_{MARGIN:g}arcs")
        schema = arrow_schema(info, votable_header(info, facts), facts.as_text())
        self._columns = schema
        self._schema = schema.insert(0, pa.field(HEALPIX, pa.int64(), nullable=False))
        self._leaves: tuple[Leaves, Leaves] | None = None
        self._owners = np.empty(0, dtype=np.int64)
        self._chosen: list[Pixel] = []
        folder.mkdir()

    def measure(self, rows: np.ndarray, nulls: Nulls) -> None:  # noqa: ARG002  called like `write`; positions are never null
        """Count these rows; all rows must come by here before the first is written."""
        found = pixels(rows["ra"], rows["dec"], self._finest)
        self._counts += np.bincount(found, minlength=len(self._counts))

    def write(self, rows: np.ndarray, nulls: Nulls) -> None:
        """Deal out rows."""
        if self._leaves is None:
            self._begin()
        assert self._leaves is not None
        finest = pixels(rows["ra"], rows["dec"])
        batch = arrow_batch(rows, self._columns, nulls)
        batch = pa.RecordBatch.from_arrays([pa.array(finest), *batch.columns], schema=self._schema)
        own = self._owners[finest >> 2 * (ORDER - self._finest)]
        self._deal(0, batch, np.arange(len(rows)), own)
        at = np.flatnonzero(self._at_edge(finest, own))
        around = self._owners[pixels_within(rows["ra"][at], rows["dec"][at], MARGIN / 3600, self._finest)]
        near = (around != own[at, np.newaxis]) & (around >= 0)
        pairs = np.unique(np.column_stack([np.repeat(at, near.sum(axis=1)), around[near]]), axis=0)
        self._deal(1, batch, pairs[:, 0], pairs[:, 1])

    def close(self) -> None:
        """Finish all files."""
        if self._leaves is None:
            self._begin()
        assert self._leaves is not None
        for which, leaves in enumerate(self._leaves):
            folder = self._folder / self._names[which]
            written = list(leaves.finish())
            lines = "".join(f"{order},{number}\n" for order, number in written)
            (folder / "partition_info.csv").write_text(f"Norder,Npix\n{lines}", encoding="ascii")
            self._write_properties(which, leaves.n_rows, written)
        _write_properties(
            self._folder / "collection.properties",
            {
                "obs_collection": self._folder_name(),
                "hats_primary_table_url": self._names[0],
                "all_margins": self._names[1],
                "default_margin": self._names[1],
                **self._provenance(),
            },
        )

    def abandon(self) -> None:
        """Close what is open, without finishing anything."""
        for leaves in self._leaves or ():
            leaves.close()

    def _begin(self) -> None:
        self._chosen = choose_pixels(self._counts, self._finest, self._most)
        # Which of the chosen pixels holds each of the finest.
        self._owners = np.full(len(self._counts), -1, dtype=np.int64)
        for index, (order, number) in enumerate(self._chosen):
            shift = 2 * (self._finest - order)
            self._owners[number << shift : (number + 1) << shift] = index
        self._leaves = (
            Leaves(self._folder / self._names[0], self._schema),
            Leaves(self._folder / self._names[1], self._schema),
        )

    def _at_edge(self, finest: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Tell which stars lie in the outermost pixels of order 12, no narrower than a margin, of their own pixel."""
        orders = np.array([order for order, _ in self._chosen], dtype=np.int64)[own]
        inside = (np.int64(1) << 2 * (_EDGE - orders)) - 1
        place = (finest >> 2 * (ORDER - _EDGE)) & inside
        edge = np.zeros(len(finest), dtype=bool)
        # Every second binary digit belongs to one direction.
        for mask in (0x5555555555555555 & inside, 0x2AAAAAAAAAAAAAAA & inside):
            edge |= ((place & mask) == 0) | ((place & mask) == mask)
        return edge

    def _deal(self, which: int, batch: pa.RecordBatch, rows: np.ndarray, owners: np.ndarray) -> None:
        assert self._leaves is not None
        if not len(rows):
            return
        order = np.argsort(owners, kind="stable")
        present, starts = np.unique(owners[order], return_index=True)
        for owner, mine in zip(present, np.split(rows[order], starts[1:]), strict=True):
            self._leaves[which].add(self._chosen[owner], batch.take(pa.array(mine)))

    def _folder_name(self) -> str:
        return f"{self._info.name}_v{self._facts.version}"

    def _provenance(self) -> dict[str, str]:
        facts = self._facts
        return {
            "hats_version": "v1.0",
            "hats_builder": facts.software,
            "hats_creator": facts.author,
            "hats_creation_date": facts.published_at[:16] + "UTC",
            "hats_data_semver": f"{facts.version}.0.0",
            "obs_title": f"{facts.title}, version {facts.version}",
            "obs_description": self._info.description,
            "bib_reference": facts.reference,
            "content_sha256": facts.sha256,
            "validation": facts.validation,
            **({"obs_copyright": facts.rights} if facts.rights else {}),
            **({"obs_copyright_url": facts.rights_uri} if facts.rights_uri else {}),
        }

    def _write_properties(self, which: int, n_rows: int, written: list[Pixel]) -> None:
        folder = self._folder / self._names[which]
        values = {
            "obs_collection": self._names[which],
            "dataproduct_type": ("object", "margin")[which],
            "hats_nrows": str(n_rows),
            "hats_col_ra": "ra",
            "hats_col_dec": "dec",
            "hats_col_healpix": HEALPIX,
            "hats_col_healpix_order": str(ORDER),
            "hats_npix_suffix": ".parquet",
            "hats_max_rows": str(self._most),
            "hats_order": str(max((order for order, _ in written), default=0)),
        }
        if which == 1:
            values |= {"hats_primary_table_url": self._names[0], "hats_margin_threshold": f"{MARGIN:g}"}
        else:
            principal = [column.name for column in self._info.columns if column.principal]
            values["hats_cols_default"] = " ".join(dict.fromkeys([*principal, "ra", "dec"]))
            covered = sum(1 / (12 * 4**order) for order, _ in written)
            values["moc_sky_fraction"] = f"{covered:.5f}"
        for name in ("hats.properties", "properties"):
            _write_properties(folder / name, {**values, **self._provenance()})


def _write_properties(path: Path, values: dict[str, str]) -> None:
    # Backslashes and line ends would begin something else.
    lines = (f"{key}={' '.join(value.split())}".replace("\\", "\\\\") for key, value in values.items())
    path.write_text("#HATS catalog\n" + "\n".join(lines) + "\n", encoding="utf-8")
