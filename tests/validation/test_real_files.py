"""Published files, as they are, through ingestion and the queries of sql/validation."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psycopg
import pytest
from astropy.table import Table

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run
from catalog.metadata import LABELS
from catalog.settings import Settings
from catalog.surveys.ingest import ingest_surveys
from tests.validation.comparing import compare

OFFSET = 0.03


def label_stars(connection: psycopg.Connection, run: Run, source_id: np.ndarray, feh: np.ndarray) -> None:
    """Make observed stars inside all limits with these [Fe/H]."""
    row = connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, sha256, status, n_members, n_training, settings) "
        "VALUES (repeat('0', 64), %s, %s, '/', repeat('0', 64), 'complete', 1, 1, '{}') RETURNING ensemble_id",
        (run.run_id, run.release),
    ).fetchone()
    assert row is not None
    n = len(source_id)
    star = {"run_id": np.full(n, run.run_id), "release": [run.release] * n, "source_id": source_id}
    labels = {f"{part}{label.name}": np.ones(n) for label in LABELS for part in ("", "e", "sigma_")}
    copy_in(connection, "production.sample_star", {**star, "role": ["observed"] * n})
    columns = {**star, "ensemble_id": np.full(n, row[0]), "n_members": np.ones(n, int), **labels, "feh": feh}
    copy_in(connection, "production.label", columns)
    flags = {"flag_boundary": ["0" * 8] * n, "flag_bits": np.zeros(n, int)}
    copy_in(connection, "production.boundary", {**star, **flags})


@pytest.mark.filterwarnings("ignore:''dex'' did not parse:astropy.units.UnitsWarning")
def test_open_clusters_against_galah(
    connection: psycopg.Connection, run: Run, settings: Settings, real_data: Path
) -> None:
    """M67 in GALAH DR3, and members of 705 clusters with DR3 ids."""
    member_file = real_data / "clusters" / "oc_members_gaiadr3_mh_gspspec_2174rows.fits"
    galah_file = real_data / "galah" / "galah_dr3_allstar_m67_lite_813rows.csv"
    for product, file in (("clusters", member_file), ("galah", galah_file)):
        folder = settings.surveys / run.release / product
        folder.mkdir(parents=True)
        shutil.copy(file, folder)
    ingest_surveys(connection, run, settings)

    members = Table.read(member_file)["Cluster", "Proba", "source_id"].to_pandas()
    members["Cluster"] = members["Cluster"].str.decode("ascii").str.strip()
    members = members[members["Proba"] >= 0.7].drop_duplicates("source_id")
    galah = pd.read_csv(galah_file)
    # Good for iron as the comparison takes it, the best spectrum of each star.
    good = galah[(galah["flag_sp"] == 0) & (galah["flag_fe_h"] == 0) & galah["fe_h"].notna()]
    members = members.merge(good[["dr3_source_id", "fe_h"]], how="left", left_on="source_id", right_on="dr3_source_id")
    assert members["source_id"].is_unique
    feh = members["fe_h"].fillna(0.1) + OFFSET
    label_stars(connection, run, members["source_id"].to_numpy(), feh.to_numpy())

    found = compare(SimpleNamespace(connection=connection, run=run), "clusters")
    counted = members.groupby("Cluster")["source_id"].count()
    assert {subset for subset, _ in found} == {"all clusters", *counted.index[counted >= 4]}
    m67 = members[members["Cluster"] == "NGC_2682"]
    row = found["NGC_2682", "feh"]
    assert row.n == len(m67) == 36
    assert row.extra["n_galah"] == m67["fe_h"].notna().sum() == 18
    assert row.extra["mean_galah"] == pytest.approx(m67["fe_h"].mean(), abs=1e-5)
    assert abs(row.extra["mean_galah"]) < 0.1, "M67 has the Sun's iron"
    assert row.bias == pytest.approx((m67["fe_h"].fillna(0.1) + OFFSET).mean() - m67["fe_h"].mean(), abs=1e-5)

    # This file has neither the flags nor the alpha abundances that the comparison with GALAH asks for.
    [row] = compare(SimpleNamespace(connection=connection, run=run), "galah").values()
    assert (row.status, row.n) == ("not run", 0)
