"""The queries of sql/validation against the same numbers computed from what was seeded."""

from typing import Any

import numpy as np
import pytest

from catalog.database.copy_in import copy_in
from catalog.database.queries import fetch_frame, load
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.validation.comparisons import query_parameters
from catalog.validation.moments import moments
from tests.validation.comparing import CHECKS, assert_same, compare, subsets


def test_apogee_is_compared_star_by_star(catalogue: Any) -> None:
    rows = compare(catalogue, "apogee")
    sky = catalogue.sky
    for subset, mask in subsets(catalogue).items():
        for label in LABELS:
            difference = (sky.labels[label.name] - sky.apogee[label.name])[mask & sky.has_apogee]
            assert_same(rows[subset, label.name], moments(difference))
    assert {row.status for row in rows.values()} <= {"pass", "info"}


def test_apogee_stars_with_warning_bits_give_no_reference(catalogue: Any) -> None:
    before = compare(catalogue, "apogee")["training", "teff"].n
    catalogue.connection.execute(
        "UPDATE survey.apogee_star SET aspcapflag = 1 << 23 WHERE row_number IN "
        "(SELECT apogee_row FROM production.sample_star WHERE role = 'training' ORDER BY source_id LIMIT 7)"
    )
    catalogue.connection.execute("UPDATE survey.apogee_star SET aspcapflag = 1 << 3 WHERE aspcapflag = 0")
    assert compare(catalogue, "apogee")["training", "teff"].n == before - 7


def test_a_second_apogee_row_multiplies_nothing(catalogue: Any) -> None:
    before = compare(catalogue, "apogee")
    catalogue.connection.execute(
        "INSERT INTO survey.apogee_star (file_id, row_number, apogee_id, gaiaedr3_source_id, teff, aspcapflag) "
        "SELECT file_id, row_number + 100000, apogee_id, gaiaedr3_source_id, 9999, 0 FROM survey.apogee_star"
    )
    assert compare(catalogue, "apogee") == before


def test_galah_counts_each_star_once_and_only_good_spectra(catalogue: Any) -> None:
    sky = catalogue.sky
    rows = catalogue.connection.execute(
        "SELECT dr3_source_id, teff, logg, alpha_fe, fe_h, snr_c3_iraf FROM survey.galah_star "
        "WHERE flag_sp = 0 AND snr_c3_iraf > 40"
    ).fetchall()
    best: dict[int, tuple[float, ...]] = {}
    for source_id, *values in sorted(rows, key=lambda row: -row[-1]):
        best.setdefault(source_id, tuple(values))
    assert len(best) < len(rows), "the seeded sky has no duplicates"
    index = {source_id: i for i, source_id in enumerate(sky.source_id)}
    mask = subsets(catalogue)["observed, 15 <= S/N <= 25"]
    chosen = [(index[source_id], values) for source_id, values in best.items() if mask[index[source_id]]]
    found = compare(catalogue, "galah")
    for k, label in enumerate(("teff", "logg", "alpham", "feh")):
        difference = np.array([sky.labels[label][i] - values[k] for i, values in chosen])
        assert_same(found["15 <= S/N <= 25", label], moments(difference))
    poor = [i for i, values in chosen if values[3] < -1]
    assert found["15 <= S/N <= 25, [Fe/H] < -1", "feh"].n == len(poor)


def calibrate(logg: np.ndarray) -> dict[str, np.ndarray]:
    """Offsets of the GSP-Spec calibration, Horner's scheme."""
    alpham = np.full(logg.shape, np.nan)
    wide = (logg >= 0.84) & (logg <= 4.44)
    alpham[wide] = np.polynomial.polynomial.polyval(logg[wide], [-0.2838, 0.3713, -0.1236, 0.0106, 0.0002])
    narrow = (logg >= 1.01) & (logg <= 4.85)
    alpham[narrow] = np.polynomial.polynomial.polyval(logg[narrow], [-0.5809, 0.7018, -0.2402, 0.0239])
    return {
        "teff": np.zeros(logg.shape),
        "logg": np.polynomial.polynomial.polyval(logg, [0.4496, -0.0036, -0.0224]),
        "mh": np.polynomial.polynomial.polyval(logg, [0.2740, -0.1373, -0.0050, 0.0048]),
        "alpham": alpham,
    }


def test_gspspec_is_calibrated_and_flagged(catalogue: Any) -> None:
    sky = catalogue.sky
    values = np.array(
        catalogue.connection.execute(
            "SELECT teff_gspspec, logg_gspspec, mh_gspspec, alphafe_gspspec, "
            "(left(flags_gspspec, 13) = repeat('0', 13))::int FROM survey.astrophysical_parameters ORDER BY source_id"
        ).fetchall()
    )
    good = values[:, 4] == 1
    assert 0.3 < good.mean() < 0.7
    offsets = calibrate(values[:, 1])
    rows = compare(catalogue, "gspspec")
    groups = subsets(catalogue)
    for k, name in enumerate(("teff", "logg", "mh", "alpham")):
        calibrated = values[:, k] + offsets[name]
        for sample in ("training", "observed"):
            chosen = good & groups[sample]
            both = chosen & sky.has_apogee
            assert_same(rows[f"GSP-Spec - APOGEE, {sample}", name], moments((calibrated - sky.apogee[name])[both]))
            assert_same(rows[f"CNN - GSP-Spec, {sample}", name], moments((sky.labels[name] - calibrated)[chosen]))


def test_calibration_offsets_are_those_published() -> None:
    offset = calibrate(np.array([2.5, 4.0, 4.5]))
    np.testing.assert_allclose(offset["logg"], [0.30, 0.08, -0.02], atol=0.005)
    assert offset["mh"][0] == pytest.approx(-0.025, abs=0.001)


@pytest.mark.parametrize(
    ("logg", "extrapol", "expected"),
    [
        (2.5, "0", calibrate(np.array([2.5]))["alpham"][0]),
        (0.90, "0", calibrate(np.array([0.9]))["alpham"][0]),
        (4.60, "0", calibrate(np.array([4.6]))["alpham"][0]),
        (2.5, "1", np.polynomial.polynomial.polyval(2.5, [-0.2838, 0.3713, -0.1236, 0.0106, 0.0002])),
        (4.60, "1", None),
        (0.5, "0", None),
        (2.5, "2", None),
    ],
)
def test_alpha_calibration_needs_both_interval_and_extrapol_flag(
    catalogue: Any, logg: float, extrapol: str, expected: float | None
) -> None:
    flags = "0" * 7 + extrapol + "0" * 33
    catalogue.connection.execute(
        "UPDATE survey.astrophysical_parameters SET alphafe_gspspec = 0, logg_gspspec = %s, flags_gspspec = %s",
        (logg, flags),
    )
    rows = catalogue.connection.execute("SELECT DISTINCT good, alpham FROM production.gspspec_reference").fetchall()
    # The 13-digit rule leaves extrapol = 0 only; the calibration must hold for the others too.
    assert rows == [(extrapol == "0", None if expected is None else pytest.approx(expected, abs=1e-6))]


def seismic_sql(catalogue: Any, **values: float) -> float:
    parameters = {"logg_sun": 4.44, "numax_sun": 3090.0, "teff_sun": 5777.0, **values}
    row = catalogue.connection.execute(
        "SELECT production.seismic_logg(%(numax)s, %(teff)s, %(logg_sun)s, %(numax_sun)s, %(teff_sun)s)", parameters
    ).fetchone()
    return float(row[0])


def test_seismic_gravity_of_known_stars(catalogue: Any) -> None:
    assert seismic_sql(catalogue, numax=3090.0, teff=5777.0) == pytest.approx(4.44)
    assert seismic_sql(catalogue, numax=30.0, teff=4800.0) == pytest.approx(2.387, abs=0.001)


def test_seismic_ranges_share_out_each_k2_star_once(catalogue: Any) -> None:
    sky = catalogue.sky
    rows = compare(catalogue, "seismic")
    k2 = catalogue.connection.execute(
        "SELECT gaia_source, count(*) FROM survey.k2gap_star GROUP BY gaia_source"
    ).fetchall()
    assert max(count for _, count in k2) == 2
    ids = np.array([source_id for source_id, _ in k2])
    groups = subsets(catalogue)
    for sample in ("training", "observed"):
        expected = np.isin(sky.source_id[groups[sample]], ids).sum()
        assert sum(row.n for (subset, _), row in rows.items() if subset.startswith(f"CNN, {sample}")) == expected
    clump = rows["CNN, observed, 2.3 <= log g <= 2.6", "logg"]
    assert clump.status == "pass"
    assert abs(clump.bias) < 0.03
    assert clump.dispersion == pytest.approx(0.085, abs=0.02)
    assert rows["GSP-Spec, observed, 2.3 <= log g <= 2.6", "logg"].status == "info"


def test_gspphot_uses_only_stars_with_all_three_labels(catalogue: Any) -> None:
    rows = compare(catalogue, "gspphot")
    assert len({row.n for row in rows.values()}) == 1
    assert 0 < rows["CNN - APOGEE", "mh"].n < compare(catalogue, "apogee")["observed", "mh"].n
    one, two, three = (rows[f"{pair}", "teff"].bias for pair in ("GSP-Phot - APOGEE", "GSP-Phot - CNN", "CNN - APOGEE"))
    assert one == pytest.approx(two + three, abs=0.01)


def test_precision_bins_hold_every_star_once(catalogue: Any) -> None:
    rows = compare(catalogue, "precision")
    apogee = compare(catalogue, "apogee")
    for sample in ("training", "observed"):
        bins = [row for (subset, label), row in rows.items() if label == "mh" and subset.startswith(f"CNN, {sample}")]
        assert sum(row.n for row in bins) == apogee[sample, "mh"].n
        assert all(row.extra["sample"] == sample for row in bins)
    assert not [row for row in rows.values() if row.label == "feh" and row.extra["source"] == "GSP-Spec"]


def test_dispersions_are_medians(catalogue: Any) -> None:
    rows = compare(catalogue, "dispersions")
    values = catalogue.connection.execute(
        "SELECT eteff FROM production.labelled_star WHERE role = 'training'"
    ).fetchall()
    row = rows["model-to-model, training", "teff"]
    assert row.n == len(values)
    assert row.dispersion == pytest.approx(np.median([value for (value,) in values]), rel=1e-5)
    assert row.bias is None


def test_clusters_have_enough_probable_members_of_the_right_release(catalogue: Any) -> None:
    rows = compare(catalogue, "clusters")
    assert "Berkeley_1" not in {subset for subset, _ in rows}, "two members are too few"
    first = next(iter(rows.values()))
    assert (first.subset, first.n) == ("all clusters", len(rows) - 1)
    assert first.status == "pass"
    m67 = rows["NGC_2682", "feh"]
    index = {source_id: i for i, source_id in enumerate(catalogue.sky.source_id)}
    members = {
        row[0]
        for row in catalogue.connection.execute(
            "SELECT source_id FROM survey.cluster_member WHERE cluster = 'NGC_2682'"
        )
    }
    sky = catalogue.sky
    values = [
        sky.labels["feh"][index[i]]
        for i in members
        if sky.role[index[i]] != "rejected" and sky.flag_bits[index[i]] == 0
    ]
    assert m67.n == len(values)
    assert m67.extra["mean"] == pytest.approx(np.mean(values), abs=1e-4)
    assert m67.dispersion == pytest.approx(np.std(values, ddof=1), rel=1e-3)

    catalogue.connection.execute("UPDATE survey.cluster_member SET gaia_release = 'dr2' WHERE cluster = 'NGC_2682'")
    assert ("NGC_2682", "feh") not in compare(catalogue, "clusters")
    catalogue.connection.execute("UPDATE survey.cluster_member SET proba = 0.1")
    assert {row.status for row in compare(catalogue, "clusters").values()} == {"not run"}


def assert_same_rows(rows: dict[tuple[str, str], Any], expected: dict[tuple[str, str], Any]) -> None:
    assert {key: row.n for key, row in rows.items()} == {key: row.n for key, row in expected.items()}
    for key, row in rows.items():
        # Sums depend on the order of rows in their last digit.
        assert (row.bias, row.dispersion) == pytest.approx((expected[key].bias, expected[key].dispersion), rel=1e-9)


def test_cluster_members_with_dr2_ids_are_joined_by_their_match(catalogue: Any) -> None:
    connection = catalogue.connection
    direct = compare(catalogue, "clusters")
    connection.execute(
        "INSERT INTO production.cluster_match (file_id, row_number, release, gaia_release, source_id, n_neighbours, "
        "n_claims) SELECT file_id, row_number, %s, 'dr3', source_id, 1, 1 FROM survey.cluster_member",
        (catalogue.run.release,),
    )
    # As numbers these are ids of other stars of this catalogue, which must not be taken for members.
    connection.execute(
        "UPDATE survey.cluster_member SET gaia_release = 'dr2', "
        "source_id = (SELECT max(source_id) FROM production.label)"
    )
    matched = compare(catalogue, "clusters")
    assert_same_rows(matched, direct)
    connection.execute("UPDATE production.cluster_match SET gaia_release = 'dr4'")
    assert {row.status for row in compare(catalogue, "clusters").values()} == {"not run"}


def seismic_stars(catalogue: Any) -> set[int]:
    """Stars for which the figures have a seismic log g."""
    query, parameters = load("validation/stars"), query_parameters(catalogue.run, CHECKS)
    frame = fetch_frame(catalogue.connection, query, {name: parameters[name] for name in query.parameters})
    return set(frame.loc[frame["logg_seismic"].notna(), "source_id"])


def test_k2_stars_without_an_id_are_joined_by_their_match(catalogue: Any) -> None:
    connection = catalogue.connection
    direct, stars = compare(catalogue, "seismic"), seismic_stars(catalogue)
    assert len(stars) > 100
    connection.execute(
        "INSERT INTO production.k2gap_match (file_id, row_number, release, source_id, method, nearest_source_id) "
        "SELECT file_id, row_number, %s, gaia_source, 'position', gaia_source FROM survey.k2gap_star",
        (catalogue.run.release,),
    )
    connection.execute("UPDATE survey.k2gap_star SET gaia_source = NULL")
    matched = compare(catalogue, "seismic")
    assert_same_rows(matched, direct)
    assert seismic_stars(catalogue) == stars
    connection.execute("DELETE FROM production.k2gap_match")
    assert {row.status for row in compare(catalogue, "seismic").values()} == {"not run"}


def test_limits_count_each_digit(catalogue: Any) -> None:
    rows = compare(catalogue, "limits")
    observed = catalogue.sky.role == "observed"
    bits = catalogue.sky.flag_bits[observed]
    digits = {"any": 255} | {digit.name: digit.bit for digit in FLAG_DIGITS}
    assert all(np.any(bits & mask) for mask in digits.values()), "the seeded sky leaves a digit untested"
    for label, mask in digits.items():
        row = rows["observed", label]
        assert row.n == observed.sum()
        assert row.extra["outside"] == np.count_nonzero(bits & mask)
        assert row.extra["fraction"] == pytest.approx(np.mean((bits & mask) != 0))
    training = catalogue.sky.flag_bits[catalogue.sky.role == "training"]
    assert rows["training", "any"].extra["outside"] == np.count_nonzero(training)
    assert rows["training", "tsne"].extra["outside"] == 0


def test_closure_recovers_the_injected_noise(catalogue: Any) -> None:
    rows = compare(catalogue, "closure")
    sky = catalogue.sky
    for subset in ("training", "observed", "outside limits"):
        mask = subsets(catalogue)[subset]
        for label in LABELS:
            assert_same(rows[subset, label.name], moments((sky.labels[label.name] - sky.truth[label.name])[mask]))
    parts = [row.n for (subset, label), row in rows.items() if label == "mh" and subset.startswith("observed, S/N")]
    assert sum(parts) == rows["observed", "mh"].n


def test_seismic_gravity_of_real_giants(catalogue: Any, real_data: Any) -> None:
    """APOGEE minus seismic log g of APO-K2 has no bias and a robust dispersion near 0.06 above log g 2.3."""
    import pandas as pd

    table = pd.read_csv(real_data / "k2gap" / "apo_k2_catalog_7672rows.csv")
    n = len(table)
    assert n == 7672
    connection, run, files = catalogue.connection, catalogue.run, catalogue.sky.files
    for name in (
        "production.boundary",
        "production.label",
        "production.sample_star",
        "survey.apogee_star",
        "survey.k2gap_star",
    ):
        connection.execute(f"DELETE FROM {name}")
    number, ids = np.arange(1, n + 1), table["gaia_source"].to_numpy()
    teff, logg = table["teff"].to_numpy(float), table["logg"].to_numpy(float)
    ensemble = connection.execute("SELECT ensemble_id FROM production.ensemble").fetchone()[0]
    release = [run.release] * n
    star = {"run_id": np.full(n, run.run_id), "release": release, "source_id": ids}
    copy_in(
        connection,
        "survey.apogee_star",
        {
            "file_id": np.full(n, files["apogee"]),
            "row_number": number,
            "apogee_id": table["apogee"].tolist(),
            "gaiaedr3_source_id": ids,
            "teff": teff,
            "logg": logg,
        },
    )
    copy_in(
        connection,
        "survey.k2gap_star",
        {
            "file_id": np.full(n, files["k2gap"]),
            "row_number": number,
            "epic": table["epic"].to_numpy(),
            "gaia_source": ids,
            "teff": teff,
            "numax": table["numax"].to_numpy(float),
            "numax_err": table["numax_err"].to_numpy(float),
        },
    )
    copy_in(
        connection,
        "production.sample_star",
        {**star, "role": ["training"] * n, "apogee_file_id": np.full(n, files["apogee"]), "apogee_row": number},
    )
    labels = {f"{part}{label.name}": np.ones(n) for label in LABELS for part in ("", "e", "sigma_")}
    labels |= {"teff": teff, "logg": logg}
    copy_in(
        connection,
        "production.label",
        {**star, "ensemble_id": np.full(n, ensemble), "n_members": np.ones(n, int), **labels},
    )
    found = compare(catalogue, "seismic")
    rows = [found[f"APOGEE, training, {range_}", "logg"] for range_ in ("2.3 <= log g <= 2.6", "log g > 2.6")]
    seismic = 4.44 + np.log10(table["numax"] / 3090) + 0.5 * np.log10(table["teff"] / 5777)
    expected = moments((table["logg"] - seismic).to_numpy()[seismic > 2.3])
    assert expected.n == sum(row.n for row in rows) == 6495
    bias = sum(row.n * row.bias for row in rows) / expected.n
    assert bias == pytest.approx(expected.bias, abs=1e-4)
    assert abs(bias) < 0.01
    assert expected.robust_dispersion == pytest.approx(0.06, abs=0.005)
    assert [row.robust_dispersion for row in rows] == pytest.approx([0.06, 0.06], abs=0.01)
