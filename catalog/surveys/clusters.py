"""Members of open clusters.

Layouts, both seen in real files: a FITS table with Gaia DR3 ids (``Cluster``, ``Proba``, ``source_id``),
and lists after Cantat-Gaudin et al. (2020, J/A+A/640/A1) as text, whose ids are of Gaia DR2: they are
known by their column ``gaiadr2`` (``GaiaDR2`` in the VizieR table). DR2 ids are not DR3 ids.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from catalog.releases import Release
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Column, Notices
from catalog.surveys.product import Product, check_source_id, read_rows
from catalog.surveys.tables import RawTable

__all__ = ["PRODUCT"]

_COLUMNS = (
    Column("cluster", "text", required=True, names=("Cluster", "Cluster_1")),
    Column("source_id", "bigint", required=True, names=("source_id", "GaiaDR2", "GaiaDR3")),
    Column("proba", "real", names=("proba",)),
)


def _read(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    gaia_release = "dr2" if "gaiadr2" in {name.lower() for name in table.names} else "dr3"
    for batch in read_rows(product, table, release, notices):
        columns = {**batch.columns, "gaia_release": np.full(len(batch), gaia_release, dtype=object)}
        yield replace(batch, columns=columns)


def _check(screen: Screen) -> None:
    check_source_id(screen)
    names = screen.columns["cluster"]
    screen.reject(np.array([name is None for name in names], dtype=bool), "identifier", "the cluster has no name")


PRODUCT = Product(
    name="clusters",
    title="Open-cluster members",
    columns=_COLUMNS,
    tables={"survey.cluster_member": ("cluster", "gaia_release", "source_id", "proba")},
    identifier="source_id",
    check=_check,
    reader=_read,
)
