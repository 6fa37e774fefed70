import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.features import FeatureBlock, FeatureReport, pages, report_missing, stream_features
from tests.features.sky import Sky, make_sky, store_sky


def _join(blocks: list[FeatureBlock]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([getattr(b, name) for b in blocks]) for name in ("source_id", "flux", "scalars", "xp")}


@pytest.fixture
def sky() -> Sky:
    return make_sky(30, 10)


def test_features_come_sorted_whatever_the_order_of_rows(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    store_sky(connection, run, sky, order=np.random.default_rng(5).permutation(30))
    report = FeatureReport()
    blocks = list(stream_features(connection, run, chunk=7, report=report))
    assert [len(block) for block in blocks] == [7, 7, 7, 7, 2]
    found = _join(blocks)
    np.testing.assert_array_equal(found["source_id"], sky.source_id)
    np.testing.assert_array_equal(found["flux"][:, 3:], sky.flux[:, 3:].astype(np.float32))
    assert np.isfinite(found["flux"]).all()
    np.testing.assert_allclose(found["scalars"][:, 0], sky.gaia["phot_g_mean_mag"], rtol=1e-6)
    np.testing.assert_array_equal(found["scalars"][:, 3], sky.gaia["parallax"])
    np.testing.assert_allclose(found["xp"][:, 1], sky.bp[:, 1] / sky.bp[:, 0])
    np.testing.assert_allclose(found["xp"][:, 109], sky.rp[:, 54] / sky.rp[:, 0])
    assert (report.n_stars, report.n_repaired, report.n_pixels, report.n_rejected) == (30, 30, 90, 0)
    assert report.notes() == []


def test_only_the_samples_and_the_range_asked_for(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    sky.role[4] = "observed"
    store_sky(connection, run, sky)
    found = _join(list(stream_features(connection, run, ("observed",))))
    np.testing.assert_array_equal(found["source_id"], sky.source_id[sky.role == "observed"])
    part = _join(list(stream_features(connection, run, after=int(sky.source_id[3]), upto=int(sky.source_id[8]))))
    np.testing.assert_array_equal(part["source_id"], sky.source_id[4:9])


def test_pages_cut_the_samples_evenly(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    store_sky(connection, run, sky)
    found = pages(connection, run, ("training", "observed"), 12)
    assert [page.n_stars for page in found] == [12, 12, 6]
    assert [page.upto for page in found] == [sky.source_id[i] for i in (11, 23, 29)]
    assert [page.after for page in found] == [0, sky.source_id[11], sky.source_id[23]]
    assert pages(connection, run, ("rejected",), 12) == []


def test_unusable_stars_are_left_out_and_told(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    sky.flux[2] = np.nan
    sky.bp[5, 0] = 0.0
    sky.rp[6, 0] = -1.0
    sky.rp[7, 3] = np.inf
    sky.gaia["parallax"][9] = np.inf
    sky.flux[11, 100:2300] = np.nan
    store_sky(connection, run, sky)
    report = FeatureReport()
    found = _join(list(stream_features(connection, run, chunk=8, report=report)))
    left_out = [2, 5, 6, 7, 9]
    np.testing.assert_array_equal(found["source_id"], np.delete(sky.source_id, left_out))
    assert np.isfinite(found["flux"]).all()
    assert (report.n_stars, report.n_rejected, report.n_fallback) == (25, 5, 1)
    notes = "\n".join(report.notes())
    assert f"1 star left out: an RVS spectrum without a valid pixel ({sky.source_id[2]})" in notes
    assert "3 stars left out: a BP or RP coefficient" in notes
    assert f"1 star left out: a magnitude or parallax that is not finite ({sky.source_id[9]})" in notes
    assert "1 spectra have no valid pixel in the continuum" in notes


def test_missing_inputs_are_counted_by_reason(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    sky.bp[3] = np.nan  # stored as null: a star without BP
    sky.gaia["phot_rp_mean_mag"][4] = np.nan
    sky.gaia["parallax"][5] = np.nan
    store_sky(connection, run, sky)
    connection.execute("DELETE FROM survey.rvs_spectrum WHERE source_id = ANY(%s)", (sky.source_id[[6, 7]].tolist(),))
    connection.execute(
        "UPDATE survey.rvs_spectrum SET flux = substr(flux, 1, 9600) WHERE source_id = %s", (int(sky.source_id[8]),)
    )
    report = FeatureReport()
    report_missing(connection, run, ("training", "observed"), report)
    assert dict(report.rejected) == {
        "no BP or no RP coefficients": 1,
        "no G, BP or RP magnitude": 1,
        "no parallax": 1,
        "no RVS spectrum": 2,
        "an RVS spectrum on another pixel grid": 1,
    }
    assert report.examples["no RVS spectrum"] == sky.source_id[[6, 7]].tolist()
    found = _join(list(stream_features(connection, run)))
    np.testing.assert_array_equal(found["source_id"], np.delete(sky.source_id, [3, 4, 5, 6, 7, 8]))


def test_notes_name_some_of_many() -> None:
    report = FeatureReport()
    report.reject("a reason", np.arange(1, 6))
    report.reject("a reason", np.arange(6, 9))
    assert report.notes() == ["8 stars left out: a reason (for instance 1, 2, 3)."]
