import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.ensemble import load_ensemble, verify_artefact
from catalog.ensemble.registry.artefact import CHECKSUMS, read_scalers
from catalog.ensemble.registry.files import sha256_file, write_whole
from catalog.errors import ArtefactError
from catalog.features import FeatureBlock
from catalog.releases import PixelGrid
from tests.ensemble.conftest import N_PIXELS


def block(n: int = 5, n_pixels: int = N_PIXELS) -> FeatureBlock:
    rng = np.random.default_rng(1)
    return FeatureBlock(
        np.arange(1, n + 1), rng.random((n, n_pixels)).astype(np.float32), rng.random((n, 4)), rng.random((n, 110))
    )


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the manifest and make the checksums right again."""
    manifest = json.loads((folder / "ensemble.json").read_text())
    (folder / "ensemble.json").write_text(json.dumps({**manifest, **changes}))
    resign(folder)


def resign(folder: Path) -> None:
    files = sorted(file for file in folder.iterdir() if file.name != CHECKSUMS)
    (folder / CHECKSUMS).write_text("".join(f"{sha256_file(file)}  {file.name}\n" for file in files))


def test_loading_again_predicts_identically(artefact: Path, grid: PixelGrid, tmp_path: Path) -> None:
    first = load_ensemble(artefact, grid)
    predicted = first.predict(block())
    assert predicted.shape == (2, 5, 5)
    moved = tmp_path / "elsewhere"
    artefact.rename(moved)
    np.testing.assert_array_equal(load_ensemble(moved, grid).predict(block()), predicted)
    assert not np.allclose(predicted[0], predicted[1])


def test_labels_are_in_physical_units_and_inputs_are_scaled(artefact: Path) -> None:
    from keras import saving

    ensemble = load_ensemble(artefact)
    stars = block()
    scalers = read_scalers(artefact)
    network = saving.load_model(artefact / "member_01.keras", compile=False)
    network.jit_compile = False
    scaled = network.predict_on_batch(
        [stars.flux, scalers.scalars.transform(stars.scalars), scalers.xp.transform(stars.xp)]
    )
    expected = scaled * np.array([2000.0, 4.0, 2.5, 0.5, 2.5]) + np.array([4000.0, 0.5, -2.0, -0.1, -2.0])
    np.testing.assert_allclose(ensemble.predict(stars)[1], expected, rtol=1e-4, atol=1e-4)


def test_sha256sum_reads_the_checksums(artefact: Path) -> None:
    command = shutil.which("sha256sum")
    if command is None:
        pytest.skip("there is no sha256sum on this machine")
    subprocess.run([command, "--check", "--strict", "--quiet", CHECKSUMS], cwd=artefact, check=True)


@pytest.mark.parametrize("name", ["member_01.keras", "scalers.json", "training.npz", "ensemble.json"])
def test_one_changed_byte_is_refused(artefact: Path, name: str) -> None:
    file = artefact / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtefactError, match=rf"{name} has been altered.*rvscat train"):
        load_ensemble(artefact)


def test_a_missing_file_is_named(artefact: Path) -> None:
    (artefact / "member_00.keras").unlink()
    with pytest.raises(ArtefactError, match=r"incomplete: member_00\.keras is missing"):
        verify_artefact(artefact)
    shutil.rmtree(artefact)
    with pytest.raises(ArtefactError, match="no whole ensemble"):
        verify_artefact(artefact)


def test_checksums_must_list_every_file(artefact: Path) -> None:
    lines = (artefact / CHECKSUMS).read_text().splitlines(keepends=True)
    (artefact / CHECKSUMS).write_text("".join(line for line in lines if "member_01" not in line))
    with pytest.raises(ArtefactError, match=r"does not list member_01\.keras"):
        verify_artefact(artefact)
    (artefact / CHECKSUMS).write_text("".join(lines) + f"{'0' * 64}  ../outside\n")
    with pytest.raises(ArtefactError, match="no checksum"):
        verify_artefact(artefact)


def test_another_grid_is_refused(artefact: Path, grid: PixelGrid) -> None:
    assert verify_artefact(artefact, grid).grid == grid
    for change in ({"n_pixels": 97}, {"step": 0.025}, {"start": 847.0}, {"medium": "air"}):
        with pytest.raises(ArtefactError, match=r"was trained on 96 pixels of 0\.01 nm"):
            load_ensemble(artefact, grid.model_copy(update=change))
    with pytest.raises(ArtefactError, match="have 95 pixels"):
        load_ensemble(artefact).predict(block(n_pixels=95))


def test_other_labels_or_formats_are_refused(artefact: Path) -> None:
    rewrite(artefact, labels=["teff", "logg", "mh", "feh", "alpham"])
    with pytest.raises(ArtefactError, match="labels teff, logg, mh, feh, alpham; teff, logg, mh, alpham, feh are"):
        verify_artefact(artefact)
    rewrite(artefact, format_version=99)
    with pytest.raises(ArtefactError, match="format version 99"):
        verify_artefact(artefact)
    rewrite(artefact, format_version=1, surprise=1)
    with pytest.raises(ArtefactError, match="cannot be read"):
        verify_artefact(artefact)
    (artefact / "ensemble.json").write_text("[]")
    resign(artefact)
    with pytest.raises(ArtefactError, match="cannot be read"):
        verify_artefact(artefact)


def test_a_network_in_anothers_place_is_refused(artefact: Path) -> None:
    shutil.copyfile(artefact / "member_00.keras", artefact / "member_01.keras")
    resign(artefact)
    with pytest.raises(ArtefactError, match="not those of member 1"):
        load_ensemble(artefact)


def test_a_network_of_other_shape_is_refused(artefact: Path) -> None:
    rewrite(artefact, network={**json.loads((artefact / "ensemble.json").read_text())["network"], "xp_units": 7})
    with pytest.raises(ArtefactError, match="not a network of this ensemble"):
        load_ensemble(artefact)


def test_a_star_with_an_input_that_is_not_finite_has_no_labels(artefact: Path) -> None:
    stars = block()
    stars.flux[2, 3] = np.nan  # which max pooling alone would pass over
    stars.xp[4, 100] = 1e300
    predicted = load_ensemble(artefact).predict(stars)
    assert np.isnan(predicted[:, [2, 4]]).all()
    assert np.isfinite(predicted[:, [0, 1, 3]]).all()


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    target.write_text("before")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        write_whole(target, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]
    assert target.read_text() == "before"
    write_whole(target, lambda path: path.write_text("after"))
    assert target.read_text() == "after"
