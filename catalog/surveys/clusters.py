"""Members of open clusters.

Layouts. A FITS table with Gaia DR3 ids, ``Cluster``, ``Proba``, ``source_id`` [file]. Cantat-Gaudin et al.
(2020, J/A+A/640/A1), whose ids are of Gaia DR2: lists as text with a column ``gaiadr2`` [file]; VizieR's table
``nodup`` with ``GaiaDR2``, ``proba``, ``Cluster``, also as fixed-width ``nodup.dat`` beside its ReadMe [code].
Hunt & Reffert (2023, J/A+A/673/A114), table ``members``: ``Name``, ``GaiaDR3``, ``Prob`` [doc]. The column
of the ids tells their release; a plain ``source_id`` is of DR2 where a ``gaiadr2`` stands beside it.
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
    Column("cluster", "text", required=True, names=("Cluster", "Cluster_1", "Name")),
    Column("source_id", "bigint", required=True, names=("source_id", "GaiaDR3", "GaiaDR2")),
    Column("proba", "real", names=("proba", "Prob")),
)


def _read(product: Product, table: RawTable, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    names = {name.lower() for name in table.names}
    only_dr3 = "gaiadr2" not in names or ("gaiadr3" in names and "source_id" not in names)
    gaia_release = "dr3" if only_dr3 else "dr2"
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
