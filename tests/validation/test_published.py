"""This catalogue against the published one."""

from typing import Any

import numpy as np
import pytest

from catalog.database.copy_in import copy_in
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.validation.moments import moments
from tests.validation.comparing import assert_same, compare


def publish(catalogue: Any, release: str | None = None) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Ingest other labels and flags of two stars in three, some twice; return labels, flag bits and which stars."""
    connection, sky = catalogue.connection, catalogue.sky
    rng = np.random.default_rng(3)
    n = sky.source_id.size
    there = rng.random(n) < 0.67
    labels = {label.name: sky.labels[label.name] + rng.normal(0.005, 0.02, n) for label in LABELS}
    labels["teff"] = sky.labels["teff"] + rng.normal(12, 30, n)
    bits = sky.flag_bits ^ np.where(rng.random(n) < 0.08, 1 << rng.integers(0, 8, n), 0)
    rows = np.concatenate([np.flatnonzero(there), np.flatnonzero(there)[:40]])
    file_id = connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, status) "
        "VALUES (%s, 'rvs_cnn', 'table2.csv', '/', repeat('0', 64), 1, %s, 'complete') RETURNING file_id",
        (release or catalogue.run.release, rows.size),
    ).fetchone()[0]
    flags = ["".join("1" if value >> i & 1 else "0" for i in range(8)) for value in bits[rows].tolist()]
    copy_in(
        connection,
        "survey.rvs_cnn_star",
        {
            "file_id": np.full(rows.size, file_id),
            "row_number": 1 + np.arange(rows.size),
            "source_id": sky.source_id[rows],
            **{name: column[rows] for name, column in labels.items()},
            "flag_boundary": np.array(flags, dtype=object),
        },
    )
    return labels, bits, there


def test_absent_it_is_not_run(catalogue: Any) -> None:
    (row,) = compare(catalogue, "published").values()
    assert (row.status, row.message) == ("not run", "no rvs_cnn rows were ingested")


def test_labels_are_compared_star_by_star(catalogue: Any) -> None:
    labels, bits, there = publish(catalogue)
    sky, rows = catalogue.sky, compare(catalogue, "published")
    samples = {
        "training": sky.role == "training",
        "observed": sky.role == "observed",
        "inside both flags": (sky.role != "rejected") & (sky.flag_bits == 0) & (bits == 0),
    }
    assert {subset for subset, _ in rows} == {*samples, "flag_boundary, training", "flag_boundary, observed"}
    for subset, mask in samples.items():
        for label in LABELS:
            difference = (sky.labels[label.name] - labels[label.name])[mask & there]
            assert_same(rows[subset, label.name], moments(difference))
    assert {rows["training", label.name].status for label in LABELS} == {"pass"}


def test_flags_are_compared_digit_by_digit(catalogue: Any) -> None:
    _, bits, there = publish(catalogue)
    sky, rows = catalogue.sky, compare(catalogue, "published")
    changed = sky.flag_bits ^ bits
    digits = {"any": 255} | {digit.name: digit.bit for digit in FLAG_DIGITS}
    for sample in ("training", "observed"):
        mask = there & (sky.role == sample)
        for label, digit in digits.items():
            row = rows[f"flag_boundary, {sample}", label]
            assert (row.n, row.extra["different"]) == (mask.sum(), np.count_nonzero(changed[mask] & digit))
            assert row.extra["fraction"] == pytest.approx(np.mean(changed[mask] & digit != 0))
    assert rows["flag_boundary, observed", "any"].status == "pass"
    catalogue.connection.execute("UPDATE survey.rvs_cnn_star SET flag_boundary = '11111111'")
    rows = compare(catalogue, "published")
    assert rows["flag_boundary, observed", "any"].status == "fail"
    assert rows["inside both flags", "all"].status == "not run"


def test_other_labels_fail(catalogue: Any) -> None:
    publish(catalogue)
    catalogue.connection.execute("UPDATE survey.rvs_cnn_star SET logg = logg + 0.3, alpham = NULL, feh = 'NaN'")
    rows = compare(catalogue, "published")
    assert rows["training", "logg"].status == "fail"
    assert not any(label in ("alpham", "feh") for subset, label in rows if not subset.startswith("flag"))


def test_the_table_of_another_release_is_not_used(catalogue: Any) -> None:
    publish(catalogue, "dr4")
    (row,) = compare(catalogue, "published").values()
    assert row.status == "not run"
    publish(catalogue)
    catalogue.connection.execute("DELETE FROM production.boundary")
    rows = compare(catalogue, "published")
    assert {subset for subset, _ in rows} >= {"training", "observed"}
    assert not any(subset.startswith("flag_boundary") and row.n for (subset, _), row in rows.items())
