"""Likeness and the flag: the queries against the same numbers computed from what was seeded."""

from typing import Any

import numpy as np
import pytest

from catalog.database.queries import fetch_frame, load
from catalog.validation.comparisons import query_parameters
from tests.validation.comparing import CHECKS, compare


def test_digit_8_is_judged_by_kinds_that_training_lacks(catalogue: Any) -> None:
    rows = compare(catalogue, "likeness")
    sky = catalogue.sky
    observed = sky.role == "observed"
    odd = np.isin(sky.kind, ["hot", "m_giant"])
    flagged = sky.flag_bits & 128 != 0
    assert rows["completeness", "tsne"].extra["fraction"] == pytest.approx(np.mean(flagged[observed & odd]))
    assert rows["purity", "tsne"].extra["fraction"] == pytest.approx(np.mean(odd[observed & flagged]))
    assert {row.subset for row in rows.values() if row.extra["absent"]} == {"hot", "m_giant", "completeness"}
    assert rows["hot", "tsne"].n == np.count_nonzero(observed & (sky.kind == "hot"))


def likeness_of(catalogue: Any, column: str, table: str = "likeness") -> dict[int, Any]:
    rows = catalogue.connection.execute(f"SELECT source_id, {column} FROM production.{table} GROUP BY source_id")
    return dict(rows.fetchall())


def test_the_companion_is_judged_by_the_same_kinds(catalogue: Any) -> None:
    rows = compare(catalogue, "likeness")
    sky = catalogue.sky
    outside = likeness_of(catalogue, "bool_or(outside)", "training_distance")
    there = np.isin(sky.source_id, list(outside)) & (sky.role == "observed")
    unlike = np.array([outside.get(i, False) for i in sky.source_id.tolist()])
    odd = np.isin(sky.kind, ["hot", "m_giant"])
    assert rows["completeness", "pca"].n == np.count_nonzero(there & odd)
    assert rows["completeness", "pca"].extra["fraction"] == pytest.approx(np.mean(unlike[there & odd]))
    assert rows["purity", "pca"].extra["fraction"] == pytest.approx(np.mean(odd[there & unlike]))
    catalogue.connection.execute("DELETE FROM production.training_distance")
    assert {label for _, label in compare(catalogue, "likeness")} == {"tsne"}


def test_digit_8_and_its_companion_fall_into_four_verdicts(catalogue: Any) -> None:
    rows = compare(catalogue, "companion")
    sky = catalogue.sky
    outside = likeness_of(catalogue, "bool_or(outside)", "training_distance")
    observed = np.isin(sky.source_id, list(outside)) & (sky.role == "observed")
    by_distance = np.array([outside.get(i, False) for i in sky.source_id.tolist()])
    by_map = sky.flag_bits & 128 != 0
    snr = sky.snr.astype("f4")
    parts = {
        "observed": observed,
        "S/N below 25": observed & (snr < 25),
        "S/N 25 to 60": observed & (snr >= 25) & (snr < 60),
        "S/N above 60": observed & (snr >= 60),
        "Teff below 4000 K": observed & (sky.labels["teff"] < 4000),
        "Teff above 6500 K": observed & (sky.labels["teff"] > 6500),
        "[M/H] below -1": observed & (sky.labels["mh"] < -1),
    }
    verdicts = {
        "like by both": ~by_map & ~by_distance,
        "unlike by t-SNE alone": by_map & ~by_distance,
        "unlike by distance alone": ~by_map & by_distance,
        "unlike by both": by_map & by_distance,
    }
    assert len(rows) == len(parts) * len(verdicts)
    for part, mask in parts.items():
        for verdict, those in verdicts.items():
            row = rows[f"{part}, {verdict}", "tsne"]
            assert (row.n, row.extra["stars"]) == (np.count_nonzero(mask), np.count_nonzero(mask & those))


def test_joint_and_placed_verdicts(catalogue: Any) -> None:
    rows = compare(catalogue, "incremental")
    sky = catalogue.sky
    observed = sky.role == "observed"
    joint = sky.flag_bits & 128 != 0
    farthest = likeness_of(catalogue, "max(placed_distance)")
    placed = np.array([farthest.get(i, 0.0) > 1.0 for i in sky.source_id.tolist()])
    row = rows["observed", "tsne"]
    assert (row.n, row.extra["unlike_joint"]) == (observed.sum(), np.count_nonzero(joint & observed))
    assert row.extra["unlike_placed"] == np.count_nonzero(placed & observed)
    assert row.extra["fraction"] == pytest.approx(np.mean((joint == placed)[observed]))
    a, b = joint[observed].mean(), placed[observed].mean()
    assert row.extra["expected"] == pytest.approx(a * b + (1 - a) * (1 - b))
    assert row.status == "pass"
    assert {each.extra["perplexity"] for each in rows.values()} == {None, 30, 50, 75, 100}
    # Maps that stars were only placed in have nothing to compare.
    catalogue.connection.execute("UPDATE production.likeness_map SET mode = 'placed'")
    assert compare(catalogue, "incremental")["all", "all"].status == "not run"


@pytest.mark.parametrize("method", ["tsne", "placed", "pca"])
def test_effect_of_the_threshold(catalogue: Any, method: str) -> None:
    sky = catalogue.sky
    query = load("validation/likeness_threshold")
    parameters = query_parameters(catalogue.run, CHECKS)
    rows = fetch_frame(catalogue.connection, query, {name: parameters[name] for name in query.parameters})
    rows = rows[rows["method"] == method].set_index("quantile")
    column, table = {
        "tsne": ("array_agg(distance ORDER BY perplexity)", "likeness"),
        "placed": ("array_agg(placed_distance ORDER BY perplexity)", "likeness"),
        "pca": ("array_agg(distance)", "training_distance"),
    }[method]
    distances = likeness_of(catalogue, column, table)
    there = np.array([i in distances for i in sky.source_id.tolist()])
    values = np.array([distances[i] for i in sky.source_id[there].tolist()])
    role, odd = sky.role[there], np.isin(sky.kind[there], ["hot", "m_giant"])
    observed = role == "observed"
    assert (np.diff(rows["flagged"]) <= 0).all()
    for quantile in (0.5, 0.9, 0.99, 1.0):
        unlike = (values > np.quantile(values[role == "training"], quantile, axis=0) * 1.000001).any(axis=1)
        row = rows.loc[quantile]
        assert row["n"] == observed.sum()
        assert row["flagged"] == pytest.approx(unlike[observed].mean())
        assert row["completeness"] == pytest.approx(unlike[observed & odd].mean())
        if (unlike & observed).any():
            assert row["purity"] == pytest.approx(odd[observed & unlike].mean())


def test_flags_are_held_against_the_database_star_by_star(catalogue: Any) -> None:
    connection = catalogue.connection
    rows = compare(catalogue, "flag_agreement")
    assert len(rows) == 18
    assert {row.status for row in rows.values()} == {"pass"}
    assert sum(rows[subset, "any"].n for subset in ("training", "observed")) == (catalogue.sky.role != "rejected").sum()
    # Another limit, one wrong digit and one lost flag do not go unnoticed.
    observed = [int(i) for i in catalogue.sky.source_id[catalogue.sky.role == "observed"]]
    connection.execute("UPDATE production.boundary_limit SET upper = 6000 WHERE quantity = 'teff'")
    assert compare(catalogue, "flag_agreement")["observed", "teff"].extra["different"] > 0
    connection.execute("DELETE FROM production.boundary WHERE source_id = %s", (observed[0],))
    rows = compare(catalogue, "flag_agreement")
    assert rows["observed", "parallax"].extra["different"] == 1
    assert rows["observed", "parallax"].status == "fail"
    connection.execute("DELETE FROM production.boundary_limit")
    assert compare(catalogue, "flag_agreement")["all", "all"].status == "not run"
