"""New stars placed in frozen maps, and maps that do not fit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.boundary.placement import nearest_distance, place
from catalog.boundary.reference import read_reference
from catalog.boundary.stage import flag_boundary
from catalog.database.ledger import Run, open_run
from catalog.errors import ArtefactError, NotFoundError
from catalog.releases import load_release


@pytest.fixture
def frozen(connection, run, settings, seed_sky):
    """Maps of 40 training and 60 observed stars, 20 of them odd; folder and key."""
    sky = seed_sky(n_training=40, n_observed=60, n_odd=20)
    result = flag_boundary(connection, run, settings)
    key, path = connection.execute("SELECT key, path FROM production.likeness_reference").fetchone()
    assert result.counts["reference"] == key
    return sky, key, Path(path)


def later_run(connection, run, profile, reference="latest") -> Run:
    """Another run of the same labels, whose profile names the maps."""
    likeness = profile.likeness.model_copy(update={"reference": reference})
    later = open_run(connection, profile.model_copy(update={"likeness": likeness}))
    for table, columns in (
        ("sample_star", "release, source_id, role, cut, training_cut, apogee_file_id, apogee_row"),
        ("label", "release, source_id, ensemble_id, n_members, " + ", ".join(
            f"{prefix}{name}" for name in ("teff", "logg", "mh", "alpham", "feh") for prefix in ("", "e", "sigma_")
        )),
    ):  # fmt: skip
        connection.execute(
            f"INSERT INTO production.{table} (run_id, {columns}) "
            f"SELECT %s, {columns} FROM production.{table} WHERE run_id = %s",
            (later.run_id, run.run_id),
        )
    connection.commit()
    return later


def rows_of(connection, run):
    return {
        (perplexity, source_id): (x, y, distance, like, placed)
        for perplexity, source_id, x, y, distance, like, placed in connection.execute(
            'SELECT perplexity, source_id, x, y, distance, "like", placed_distance FROM production.likeness '
            "WHERE run_id = %s",
            (run.run_id,),
        )
    }


def test_median_of_the_neighbours():
    positions = np.array([[0.0, 0], [1, 5], [2, 1], [900, 2]], dtype="f4")
    assert place(positions, np.array([[0, 1, 2], [1, 2, 3]])).tolist() == [[1, 1], [2, 2]]
    assert place(positions, np.empty((0, 3), dtype=int)).shape == (0, 2)
    assert nearest_distance(positions[:2], np.array([[0.0, 3]])).tolist() == [pytest.approx(np.hypot(1, 2))]


def test_stars_of_the_maps_keep_their_places(connection, run, profile, settings, frozen):
    later = later_run(connection, run, profile)
    result = flag_boundary(connection, later, settings)
    assert (result.counts["placed"], result.counts["kept_places"]) == (0, 100)
    before, after = rows_of(connection, run), rows_of(connection, later)
    assert before.keys() == after.keys()
    for star, values in before.items():
        assert after[star][:2] == values[:2]
        assert after[star][2] == pytest.approx(values[2], abs=1e-5)
        assert after[star][3] == values[3]
    flags = connection.execute(
        "SELECT a.flag_boundary = b.flag_boundary FROM production.boundary AS a JOIN production.boundary AS b "
        "USING (source_id) WHERE a.run_id = %s AND b.run_id = %s",
        (run.run_id, later.run_id),
    ).fetchall()
    assert len(flags) == 100
    assert all(same for (same,) in flags)
    modes = connection.execute(
        "SELECT DISTINCT run_id, mode, reference FROM production.likeness_map ORDER BY run_id"
    ).fetchall()
    assert modes == [(run.run_id, "joint", frozen[1]), (later.run_id, "placed", frozen[1])]


def test_new_spectra_are_placed_without_moving_anything(connection, run, profile, settings, frozen):
    sky, *_ = frozen
    rng = np.random.default_rng(9)
    # Ordinary and odd stars get the spectra of others of their kind, with new noise.
    ordinary, odd = sky.source_id[70:80], sky.source_id[80:90]
    for source_id, row in zip([*ordinary, *odd], [*range(40, 50), *range(90, 100)], strict=True):
        spectrum = sky.spectra[row] + rng.normal(0, 0.01, 2401).astype("f4")
        connection.execute(
            "UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s",
            (spectrum.astype("<f4").tobytes(), int(source_id)),
        )
    later = later_run(connection, run, profile)
    result = flag_boundary(connection, later, settings)
    assert (result.counts["placed"], result.counts["kept_places"]) == (20, 80)
    before, after = rows_of(connection, run), rows_of(connection, later)
    moved = {source_id for (_, source_id), values in after.items() if values[4] is not None}
    assert moved == {int(i) for i in (*ordinary, *odd)}
    assert all(after[star][:2] == before[star][:2] for star in before if star[1] not in moved)
    like = {int(i): all(after[p, int(i)][3] for p in (5, 8, 10, 12)) for i in (*ordinary, *odd)}
    assert not any(like[int(i)] for i in odd)
    assert np.mean([like[int(i)] for i in ordinary]) >= 0.7
    outside = dict(
        connection.execute(
            "SELECT source_id, outside FROM production.training_distance WHERE run_id = %s", (later.run_id,)
        ).fetchall()
    )
    assert all(outside[int(i)] for i in odd)
    # Twice is the same as once.
    flag_boundary(connection, later, settings)
    assert rows_of(connection, later) == after


def test_a_place_does_not_depend_on_who_else_is_placed(connection, run, profile, settings, frozen):
    sky, *_ = frozen
    reference = read_reference(frozen[2], load_release("dr3"))
    spectra = sky.spectra[40:60] + 0.01
    scores = reference.basis.scores(spectra)
    together = place(reference.maps[0].positions, reference.index.search(10, scores).indices)
    alone = np.concatenate(
        [place(reference.maps[0].positions, reference.index.search(10, one[np.newaxis]).indices) for one in scores]
    )
    np.testing.assert_array_equal(together, alone)


def test_a_spectrum_unlike_all_has_no_place(connection, run, profile, settings, frozen):
    sky, *_ = frozen
    lost = int(sky.source_id[60])
    spectrum = np.where(np.arange(2401) % 400 < 200, 0.1, 1.0).astype("<f4")
    connection.execute("UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s", (spectrum.tobytes(), lost))
    later = later_run(connection, run, profile)
    result = flag_boundary(connection, later, settings)
    assert any(f"for instance source_id {lost}" in note for note in result.notes)
    assert not any(source_id == lost for _, source_id in rows_of(connection, later))
    (flag,) = connection.execute(
        "SELECT flag_boundary FROM production.boundary WHERE run_id = %s AND source_id = %s", (later.run_id, lost)
    ).fetchone()
    assert flag[7] == "1"


def test_training_stars_that_the_maps_lack_are_told(connection, run, profile, settings, frozen):
    later = later_run(connection, run, profile)
    spectrum = (frozen[0].spectra[0] + 0.02).astype("<f4").tobytes()
    connection.execute(
        "UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s", (spectrum, int(frozen[0].source_id[0]))
    )
    result = flag_boundary(connection, later, settings)
    assert any("1 training stars of this run are not in the reference maps" in note for note in result.notes)


def test_same_spectra_same_reference(connection, run, settings, frozen):
    _, key, folder = frozen
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    connection.execute("DELETE FROM production.likeness_map")
    flag_boundary(connection, run, settings.model_copy(update={"workers": 1}))
    assert connection.execute("SELECT key, path FROM production.likeness_reference").fetchall() == [(key, str(folder))]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_other_settings_replace_the_reference(connection, run, profile, settings, frozen):
    _, key, folder = frozen
    other = profile.model_copy(update={"likeness": profile.likeness.model_copy(update={"seed": 99})})
    flag_boundary(connection, replace(run, profile=other), settings)
    ((new_key, new_path),) = connection.execute("SELECT key, path FROM production.likeness_reference").fetchall()
    assert new_key != key
    assert Path(new_path).is_dir()
    assert not folder.exists()


def test_unknown_maps(connection, run, profile, settings, frozen):
    later = later_run(connection, run, profile, "feedbeef")
    with pytest.raises(NotFoundError, match=r"likeness\.reference = 'feedbeef'") as error:
        flag_boundary(connection, later, settings)
    assert frozen[1][:16] in error.value.remedy


def test_first_letters_of_a_key_are_enough(connection, run, profile, settings, frozen):
    later = later_run(connection, run, profile, frozen[1][:8])
    assert flag_boundary(connection, later, settings).counts["reference"] == frozen[1]


def test_another_pixel_grid(frozen):
    release = load_release("dr3")
    grid = release.rvs.model_copy(update={"step": 0.025, "n_pixels": 961})
    other = release.model_copy(update={"name": "dr4", "rvs_mean_spectrum": grid})
    with pytest.raises(ArtefactError, match=r"pixel grid of release dr3, 2401 pixels.*release dr4 have 961 pixels"):
        read_reference(frozen[2], other)


def changed(folder, **values):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_another_version(frozen):
    changed(frozen[2], format=99)
    with pytest.raises(ArtefactError, match="format 99; this version reads 1"):
        read_reference(frozen[2], load_release("dr3"))
    changed(frozen[2], format=1, features_version=0)
    with pytest.raises(ArtefactError, match="version 0 of the features"):
        read_reference(frozen[2], load_release("dr3"))


def test_damaged_files(frozen):
    _, key, folder = frozen
    release = load_release("dr3")
    spoilt = folder.with_name("spoilt")
    shutil.copytree(folder, spoilt)
    data = bytearray((spoilt / "points.npy").read_bytes())
    data[-1] ^= 1
    (spoilt / "points.npy").write_bytes(data)
    with pytest.raises(ArtefactError, match=r"points\.npy is damaged"):
        read_reference(spoilt, release, key)
    (spoilt / "points.npy").unlink()
    with pytest.raises(ArtefactError, match=r"points\.npy is missing"):
        read_reference(spoilt, release, key)
    changed(spoilt, farthest=1e9)
    with pytest.raises(ArtefactError, match="is not the one that was recorded"):
        read_reference(spoilt, release, key)
    shutil.rmtree(spoilt)
    with pytest.raises(ArtefactError, match="holds no reference maps"):
        read_reference(spoilt, release)
