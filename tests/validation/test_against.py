"""Two catalogues of one database side by side, with known changes."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.database.copy_in import copy_in
from catalog.errors import ConfigurationError, NotFoundError, RvscatError, SampleError
from catalog.metadata import LABELS
from catalog.validation.against import Comparison, Side, compare_catalogues, find_sides
from catalog.validation.against.report import words_of_place
from catalog.validation.against.stars import Pairs
from catalog.validation.moments import moments
from tests.validation.second_run import CUT, MOVED_LOGG, Second, seed_second_run
from tests.validation.seeding import ingested_file

SQUARE = np.sqrt(2.0)


@pytest.fixture
def second(catalogue: Any) -> Second:
    return seed_second_run(catalogue.connection, catalogue.run, catalogue.sky)


def compared(catalogue: Any, run_id: int, other: int | None, folder: Path, **options: Any) -> tuple[Comparison, Pairs]:
    sides = find_sides(catalogue.connection, run_id, other)
    return compare_catalogues(catalogue.connection, *sides, folder / "changed.csv", **options)


def row(rows: Any, **wanted: Any) -> Any:
    (found,) = (each for each in rows if all(each[key] == value for key, value in wanted.items()))
    return found


def test_stars_of_both_and_of_one_alone_with_the_reason(catalogue: Any, second: Second, tmp_path: Path) -> None:
    sky = catalogue.sky
    comparison, pairs = compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path)
    assert comparison.counts == {
        "both": second.kept.sum(),
        "this": 0,
        "other": second.rejected.sum() + second.unknown.sum(),
    }
    assert len(pairs) == second.kept.sum()
    demoted = row(comparison.coverage, place="both", role="observed", other_role="training")
    assert (demoted["n"], demoted["cut"]) == (second.demoted.sum(), "apogee_snr")
    for role in ("training", "observed"):
        here = sky.role == role
        found = row(comparison.coverage, place="other", role="rejected", other_role=role)
        assert (found["n"], found["cut"]) == ((here & second.rejected).sum(), CUT)
        assert row(comparison.coverage, place="other", role=None, other_role=role)["n"] == (here & second.unknown).sum()
    words = [words_of_place(each, "run 2", "run 1") for each in comparison.coverage]
    assert "in run 1 alone, training; rejected in run 2 by phot_variable_flag" in words
    assert "in run 1 alone, observed; unknown to run 2: it had no spectrum of this star" in words
    assert "in both, observed in run 2, training in run 1: apogee_snr kept it from the training sample" in words


def test_labels_differ_by_what_was_put_in(catalogue: Any, second: Second, tmp_path: Path) -> None:
    sky = catalogue.sky
    comparison, _ = compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path)
    logg = row(comparison.labels, subset="all", label="logg")
    assert logg["n"] == second.kept.sum()
    assert logg["bias"] == pytest.approx(MOVED_LOGG, rel=1e-4)
    assert logg["dispersion"] < 1e-5
    assert logg["sigma_ratio"] == pytest.approx(1.0)
    assert (logg["beyond_1"], logg["missing"]) == (0.0, 0)
    for name in ("mh", "alpham", "feh"):
        assert row(comparison.labels, subset="all", label=name)["bias_sigma"] == 0.0

    subsets = {
        "training": (sky.role == "training") & ~second.demoted,
        "sample changed": second.demoted,
        "observed, inside the limits": (sky.role == "observed") & (sky.flag_bits == 0) & ~second.flipped,
        "observed, inside in one alone": (sky.role == "observed") & second.flipped & (sky.flag_bits & 127 == 0),
    }
    for subset, mask in subsets.items():
        mask = mask & second.kept
        teff = row(comparison.labels, subset=subset, label="teff")
        expected = moments(np.where(second.jumped, -10.0, 0.0)[mask])
        assert teff["n"] == mask.sum() > 0
        assert teff["bias_sigma"] == pytest.approx(expected.bias, rel=1e-4)
        assert teff["dispersion_sigma"] == pytest.approx(expected.dispersion, rel=1e-4)
        for k in (1, 3, 5):
            assert teff[f"beyond_{k}"] == pytest.approx((mask & second.jumped).sum() / mask.sum())


def test_digits_appear_and_vanish(catalogue: Any, second: Second, tmp_path: Path) -> None:
    sky = catalogue.sky
    comparison, _ = compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path)
    for subset in ("all", "training", "observed"):
        # The sample of the run, in which some training stars are observed.
        role = np.where(second.demoted, "observed", sky.role)
        here = second.kept & ((role == subset) | (subset == "all"))
        before, flipped = (sky.flag_bits & 128 != 0)[here], second.flipped[here]
        tsne = row(comparison.flags, subset=subset, label="tsne")
        assert [tsne[key] for key in ("n", "both", "appeared", "vanished", "neither", "different")] == [
            here.sum(), (before & ~flipped).sum(), (~before & flipped).sum(), (before & flipped).sum(),
            (~before & ~flipped).sum(), flipped.sum(),
        ]  # fmt: skip
        anything = row(comparison.flags, subset=subset, label="any")
        now = np.where(second.flipped, sky.flag_bits ^ 128, sky.flag_bits)[here] != 0
        assert anything["appeared"] == (now & (sky.flag_bits[here] == 0)).sum()
        assert anything["vanished"] == (~now & (sky.flag_bits[here] != 0)).sum()
        assert anything["different"] == flipped.sum()
        assert row(comparison.flags, subset=subset, label="teff")["different"] == 0


def test_stars_that_changed_are_listed(catalogue: Any, second: Second, tmp_path: Path) -> None:
    sky, connection = catalogue.sky, catalogue.connection
    first = int(sky.source_id[np.flatnonzero(second.jumped)[0]])
    gone = int(sky.source_id[np.flatnonzero(second.jumped)[1]])
    connection.execute(
        "UPDATE production.label SET mh = mh + 30 * sigma_mh WHERE run_id = %s AND source_id = %s",
        (second.run_id, first),
    )
    # No number, no sigma: such stars are counted, not listed.
    connection.execute(
        "UPDATE production.label SET teff = 'NaN' WHERE run_id = %s AND source_id = %s", (second.run_id, gone)
    )
    comparison, pairs = compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path, sigma=5.0)
    with (tmp_path / "changed.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert comparison.n_changed == len(rows) == second.jumped.sum() - 1 == (pairs.largest > 5.0).sum()
    assert {int(each["source_id"]) for each in rows} == set(sky.source_id[second.jumped].tolist()) - {gone}
    assert len(comparison.largest) == min(20, len(rows))
    top = comparison.largest[0]
    assert (top["source_id"], top["label"]) == (first, "mh")
    assert top["role"] == np.where(second.demoted, "observed", sky.role)[sky.source_id == first][0]
    assert top["change"] == pytest.approx(30 / SQUARE, rel=1e-4)
    assert top["teff_change"] == pytest.approx(-10.0, rel=1e-4)
    assert top["teff_other"] == pytest.approx(sky.labels["teff"][sky.source_id == first][0], rel=1e-5)
    assert all(each["label"] == "teff" for each in comparison.largest[1:])
    assert len(top["flag_boundary"]) == 8
    missing = row(comparison.labels, subset="all", label="teff")
    assert (missing["missing"], missing["n"]) == (1, second.kept.sum() - 1)
    assert compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path, sigma=50.0)[0].largest == []


def test_checks_got_better_and_worse(catalogue: Any, second: Second, tmp_path: Path) -> None:
    comparison, _ = compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path)
    found = {(each.comparison, each.subset, each.label): each for each in comparison.changes}
    assert {key[0] + " " + key[2]: each.change for key, each in found.items()} == {
        "apogee teff": "worse",
        "apogee logg": "better",
        "apogee mh": "same",
        "apogee feh": "worse",
        "dispersions mh": "differs",
        "galah teff": "same",  # of 20 stars, that may be chance
        "seismic logg": "vanished",
        "clusters feh": "vanished",
        "closure teff": "appeared",
    }
    assert [each.label for each in comparison.worse] == ["feh", "teff"], "what fails comes first"
    assert found["apogee", "observed", "teff"].ratio == pytest.approx(1.25)
    assert found["apogee", "observed", "teff"].ratio_error == pytest.approx(1.25 / np.sqrt(1999), rel=1e-6)
    assert found["apogee", "training", "feh"].why == "pass → fail: words"
    assert comparison.status == "fail"
    assert comparison.tally == {"worse": 2, "better": 1, "differs": 1, "same": 1, "appeared": 1, "vanished": 2}
    assert comparison.headline.startswith("2 of 5 checks got worse, 1 better; ")
    # The other way round, worse is better.
    back, _ = compared(catalogue, catalogue.run.run_id, second.run_id, tmp_path)
    assert (back.tally["worse"], back.tally["better"], back.status) == (1, 2, "warn")


def test_what_made_the_difference(catalogue: Any, second: Second, tmp_path: Path) -> None:
    comparison, _ = compared(catalogue, second.run_id, catalogue.run.run_id, tmp_path)
    size = catalogue.run.profile.training.batch_size
    assert comparison.differences.pop("software")["rvscat"][0] == "9.9"
    assert comparison.differences == {
        "profile": {"training.batch_size": (2 * size, size)},
        "limits": {"g.upper": (13.5, 13.2)},
    }


def publish(catalogue: Any, repeated: int = 30) -> np.ndarray:
    """Ingest a published catalogue: labels of every second star, [M/H] one combined sigma lower, some rows twice."""
    sky, connection = catalogue.sky, catalogue.connection
    number = np.arange(sky.source_id.size)
    there = np.flatnonzero(number % 2 == 0)
    rows = np.concatenate([there, there[:repeated]])
    file_id = ingested_file(connection, catalogue.run.release, "rvs_cnn", rows.size)
    sigma = {
        each[0]: each[1:]
        for each in connection.execute(
            "SELECT source_id, sigma_teff, sigma_logg, sigma_mh, sigma_alpham, sigma_feh FROM production.label"
        ).fetchall()
    }
    sigmas = np.array([sigma.get(int(sky.source_id[i]), (1.0,) * 5) for i in rows])
    columns: dict[str, Any] = {}
    for k, label in enumerate(LABELS):
        columns[label.name] = sky.labels[label.name][rows] - (SQUARE * sigmas[:, k] if label.name == "mh" else 0.0)
        columns[f"sigma_{label.name}"] = sigmas[:, k]
    # A repeated row says something else, and a label is missing.
    columns["teff"][there.size :] += 5000
    columns["feh"][0] = np.nan
    digits = np.array(["0", "1"])[((sky.flag_bits[rows] ^ 64)[:, None] >> np.arange(8)) & 1]
    columns["flag_boundary"] = ["".join(each) for each in digits]
    keys = {"file_id": np.full(rows.size, file_id), "row_number": np.arange(rows.size) + 1}
    copy_in(connection, "survey.rvs_cnn_star", {**keys, "source_id": sky.source_id[rows], **columns})
    return number % 2 == 0


def test_against_the_published_catalogue_repeated_ids_multiply_nothing(catalogue: Any, tmp_path: Path) -> None:
    there = publish(catalogue)
    labelled = catalogue.sky.role != "rejected"
    comparison, pairs = compared(catalogue, catalogue.run.run_id, None, tmp_path)
    both = int((there & labelled).sum())
    assert comparison.counts == {
        "both": both, "this": (~there & labelled).sum(), "other": (there & ~labelled).sum(),
    }  # fmt: skip
    assert comparison.other.repeated_rows == 30
    assert len(pairs) == both
    assert row(comparison.labels, subset="all", label="teff")["dispersion"] < 1e-2
    mh = row(comparison.labels, subset="all", label="mh")
    assert (mh["n"], mh["bias_sigma"]) == (both, pytest.approx(1.0, abs=1e-4))
    first = labelled[np.flatnonzero(there)[0]]
    assert row(comparison.labels, subset="all", label="feh")["missing"] == int(first)
    parallax = row(comparison.flags, subset="all", label="parallax")
    assert parallax["different"] == both == parallax["n"]
    assert row(comparison.flags, subset="all", label="tsne")["different"] == 0
    assert (comparison.changes, comparison.status, comparison.differences) == ([], "info", {})
    assert comparison.headline == f"0.00 % of {both:,} stars changed by more than 3 σ"
    words = {words_of_place(each, "run 1", "published") for each in comparison.coverage}
    assert "in run 1 alone, observed; not in the published catalogue" in words
    assert "in published alone; rejected in run 1 by parallax" in words


def test_what_cannot_be_compared_says_why(catalogue: Any, second: Second, tmp_path: Path) -> None:
    connection, run = catalogue.connection, catalogue.run

    def refused(run_id: int, other: int | None, kind: type[RvscatError]) -> str:
        with pytest.raises(kind) as caught:
            compared(catalogue, run_id, other, tmp_path)
        return str(caught.value)

    assert "cannot be compared with itself" in refused(run.run_id, run.run_id, ConfigurationError)
    assert "There is no run 4711" in refused(run.run_id, 4711, NotFoundError)
    published = refused(run.run_id, None, NotFoundError)
    assert "was not ingested" in published
    assert "rvscat ingest" in published

    connection.execute("UPDATE production.run SET release = 'dr4' WHERE run_id = %s", (second.run_id,))
    assert f"run {second.run_id} of dr4: source_id names other stars" in refused(run.run_id, second.run_id, SampleError)
    connection.execute("UPDATE production.run SET release = %s WHERE run_id = %s", (run.release, second.run_id))
    connection.execute("UPDATE production.label SET source_id = source_id + 1 WHERE run_id = %s", (second.run_id,))
    assert "have no star in common" in refused(run.run_id, second.run_id, SampleError)

    connection.execute("DELETE FROM production.validation_result WHERE run_id = %s", (second.run_id,))
    text = refused(run.run_id, second.run_id, SampleError)
    assert "has not been validated" in text
    assert f"`rvscat validate --run {second.run_id}`" in text
    connection.execute("DELETE FROM production.label WHERE run_id = %s", (second.run_id,))
    assert f"`rvscat predict --run {second.run_id}`" in refused(second.run_id, run.run_id, SampleError)


def test_a_side_names_itself() -> None:
    published, run = Side(0, "dr3"), Side(7, "dr3")
    assert (published.title, published.short, published.slug) == ("the published catalogue", "published", "published")
    assert (run.title, run.short, run.slug) == ("run 7", "run 7", "run-7")
