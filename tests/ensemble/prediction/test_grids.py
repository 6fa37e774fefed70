"""Spectra on another pixel grid than the ensemble's are refused, whichever way they come."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble import load_ensemble
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.errors import ArtefactError
from catalog.releases import PixelGrid, load_release
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.features.sky import make_sky, store_sky


def regrid(folder: Path, connection: psycopg.Connection, **changes: Any) -> None:
    """Make a saved ensemble one that was trained on another grid, with checksums that are right."""
    file = folder / "ensemble.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "grid": {**manifest["grid"], **changes}}))
    files = sorted(each for each in folder.iterdir() if each.name != CHECKSUMS)
    (folder / CHECKSUMS).write_text("".join(f"{sha256_file(each)}  {each.name}\n" for each in files))
    connection.execute("UPDATE production.ensemble SET sha256 = %s", (sha256_file(folder / CHECKSUMS),))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": 846.005}, "2401 pixels of 0.01 nm from 846.005 nm (vacuum, stellar rest frame)"),
        ({"step": 0.025}, "2401 pixels of 0.025 nm from 846 nm (vacuum, stellar rest frame)"),
        ({"n_pixels": 961}, "961 pixels of 0.01 nm from 846 nm (vacuum, stellar rest frame)"),
        ({"medium": "air"}, "2401 pixels of 0.01 nm from 846 nm (air, stellar rest frame)"),
        ({"frame": "barycentric"}, "2401 pixels of 0.01 nm from 846 nm (vacuum, barycentric frame)"),
    ],
)
def test_an_ensemble_of_another_grid_labels_nothing(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    in_process: InProcess,
    changes: dict[str, Any],
    words: str,
) -> None:
    store_sky(connection, run, make_sky(60, 20))
    train_ensemble(connection, run, settings)
    (folder,) = (path for path in settings.ensembles.iterdir() if not path.name.startswith("."))
    regrid(folder, connection, **changes)
    with pytest.raises(ArtefactError) as caught:
        predict_labels(connection, run, settings)
    assert f"was trained on {words}" in caught.value.message
    assert f"the spectra have {load_release('dr3').rvs}" in caught.value.message
    assert "rvscat resample" in caught.value.remedy
    assert connection.execute("SELECT count(*) FROM production.label").fetchone() == (0,)


def test_one_spectrum_of_another_length_is_named(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(60, 20)
    store_sky(connection, run, sky)
    train_ensemble(connection, run, settings)
    source_id = int(sky.source_id[np.flatnonzero(sky.role == "observed")[3]])
    connection.execute(
        "UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s", (np.ones(961, "<f4").tobytes(), source_id)
    )
    with pytest.raises(ArtefactError, match=rf"1 of 60 spectra .* 2401 pixels of 0\.01 nm .* that of {source_id}"):
        predict_labels(connection, run, settings)


def test_grids_that_differ_in_continuum_alone_are_one(artefact: Path, grid: PixelGrid) -> None:
    assert load_ensemble(artefact, grid.model_copy(update={"continuum": ()})).manifest.grid == grid
