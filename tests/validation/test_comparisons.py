"""The queries of sql/validation against the same numbers computed from what was seeded."""

from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from catalog.database.copy_in import copy_in
from catalog.database.queries import fetch_frame, load, names
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.profiles import load_profile
from catalog.validation.checks import load_checks
from catalog.validation.comparisons import ingested_products, query_parameters, run_comparison, run_comparisons
from catalog.validation.moments import Moments, moments
from catalog.validation.results import Result
from tests.validation.test_checks import STUDY_QUERIES

CHECKS = load_checks()


def compare(catalogue: Any, name: str, **overrides: Any) -> dict[tuple[str, str], Result]:
    parameters = {**query_parameters(catalogue.run, CHECKS), **overrides}
    products = ingested_products(catalogue.connection, catalogue.run)
    rows = run_comparison(catalogue.connection, catalogue.run, CHECKS, name, parameters, products)
    assert len({(row.subset, row.label) for row in rows}) == len(rows)
    return {(row.subset, row.label): row for row in rows}


def assert_same(row: Result, expected: Moments, rel: float = 2e-3) -> None:
    assert row.n == expected.n
    assert row.bias == pytest.approx(expected.bias, rel=rel, abs=2e-3 * expected.dispersion)
    assert row.dispersion == pytest.approx(expected.dispersion, rel=rel)
    assert row.robust_dispersion == pytest.approx(expected.robust_dispersion, rel=rel)


def subsets(catalogue: Any) -> dict[str, np.ndarray]:
    sky = catalogue.sky
    observed = (sky.role == "observed") & (sky.flag_bits == 0)
    poor = observed & (sky.snr > 15) & (sky.snr < 25) & (sky.apogee["mh"] < -1)
    return {
        "training": sky.role == "training",
        "observed": observed,
        "observed, 15 <= S/N <= 25": observed & (sky.snr >= 15) & (sky.snr <= 25),
        "observed, metal-poor, 15 < S/N < 25": poor,
        "outside limits": (sky.role == "observed") & (sky.flag_bits != 0),
    }


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
    # The 13-digit rule leaves extrapol = 0 only; the expression itself must hold for the others too.
    text = load("validation/gspspec").statement
    expression = text[text.index("ap.alphafe_gspspec + CASE") : text.index("END AS alpham")] + "END"
    flags = "0" * 7 + extrapol + "0" * 33
    row = catalogue.connection.execute(
        f"SELECT {expression} FROM "
        f"(SELECT 0::real AS alphafe_gspspec, {logg}::real AS logg_gspspec, '{flags}' AS flags_gspspec) ap "
        "CROSS JOIN LATERAL (SELECT CAST(ap.logg_gspspec AS double precision)) AS uncalibrated (x)"
    ).fetchone()
    assert row[0] == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_every_query_has_the_same_calibration() -> None:
    def block(name: str) -> str:
        text = load(f"validation/{name}").text
        return text[text.index("gspspec AS (") : text.index("'0000000000000'")]

    assert block("gspspec") == block("precision") == block("stars")
    line = "x + 0.4496 - 0.0036 * x - 0.0224 * x ^ 2 AS logg"
    assert line in block("gspspec")
    assert line in block("seismic")


def seismic_sql(catalogue: Any, **values: float) -> float:
    text = load("validation/seismic").statement
    expression = text[text.index("CAST(%(logg_sun)s") : text.index(" AS logg\n    FROM survey.k2gap_star")]
    parameters = {"logg_sun": 4.44, "numax_sun": 3090.0, "teff_sun": 5777.0, **values}
    row = catalogue.connection.execute(
        f"SELECT {expression} FROM (SELECT %(numax)s::real AS numax, %(teff)s::real AS teff) k2", parameters
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


def test_uncertainties_tell_coverage(catalogue: Any) -> None:
    rows = compare(catalogue, "uncertainties")
    sky = catalogue.sky
    mask = subsets(catalogue)["training"]
    sigma = catalogue.connection.execute(
        "SELECT source_id, sigma_mh FROM production.label ORDER BY source_id"
    ).fetchall()
    by_id = dict(sigma)
    z = np.array([(sky.labels["mh"][i] - sky.apogee["mh"][i]) / by_id[sky.source_id[i]] for i in np.flatnonzero(mask)])
    row = rows["training", "mh"]
    assert_same(row, moments(z))
    assert row.extra["within_1"] == pytest.approx(np.mean(np.abs(z) <= 1), abs=0.003)
    assert row.extra["within_2"] == pytest.approx(np.mean(np.abs(z) <= 2), abs=0.003)


REGIONS = ("cool dwarfs", "hot dwarfs", "subgiants", "lower RGB", "red clump", "upper RGB", "metal-poor giants")
SNR_RANGES = ("S/N below 25", "S/N 25-35", "S/N 35-75", "S/N above 75")


def parts_of(teff: np.ndarray, logg: np.ndarray, mh: np.ndarray, snr: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of a sample, told in another way than the query's."""
    region = np.full(teff.shape, "upper RGB", dtype=object)
    region[(logg >= 2.3) & (teff >= 4400)] = "red clump"
    region[logg >= 2.6] = "lower RGB"
    region[mh < -1] = "metal-poor giants"
    region[logg >= 3.5] = "subgiants"
    region[logg >= 4.0] = np.where(teff[logg >= 4.0] < 5300, "cool dwarfs", "hot dwarfs")
    snr_range = np.array(SNR_RANGES, dtype=object)[np.digitize(snr, [25, 35, 75])]
    parts = {"all": np.ones(teff.shape, dtype=bool)}
    return parts | {name: (region == name) | (snr_range == name) for name in (*REGIONS, *SNR_RANGES)}


def test_coverage_is_that_of_the_stars_in_each_part(catalogue: Any) -> None:
    rows = compare(catalogue, "coverage")
    sky, groups = catalogue.sky, subsets(catalogue)
    names = [f"{prefix}{label.name}{end}" for label in LABELS for prefix, end in (("sigma_", ""), ("sigma_", "_oof"))]
    found = fetch_frame(catalogue.connection, f"SELECT source_id, {', '.join(names)} FROM production.label")
    published = found.set_index("source_id").reindex(sky.source_id)
    unseen = fetch_frame(catalogue.connection, "SELECT * FROM production.training_residual").set_index("source_id")
    unseen = unseen.reindex(sky.source_id)
    assert unseen["n_unseen"].notna().sum() > 200
    samples = {
        "training, all members": groups["training"] & sky.has_apogee,
        "training, out of fold": unseen["n_unseen"].notna().to_numpy(),
        "observed": groups["observed"] & sky.has_apogee,
    }
    parts = parts_of(*(sky.labels[name].astype(np.float32) for name in ("teff", "logg", "mh")), sky.snr)
    expected = set()
    for sample, members in samples.items():
        for part, inside in parts.items():
            mask = members & inside
            if not mask.any():
                continue
            for label in LABELS:
                name, subset = label.name, sample if part == "all" else f"{sample}, {part}"
                expected.add((subset, name))
                row = rows[subset, name]
                residual, calibrated = sky.labels[name] - sky.apogee[name], published[f"sigma_{name}_oof"]
                if sample == "training, out of fold":
                    residual, calibrated = unseen[f"residual_{name}"].to_numpy(), unseen[f"sigma_{name}_oof"]
                z = {
                    "within": np.abs(residual / published[f"sigma_{name}"].to_numpy())[mask],
                    "calibrated": np.abs(residual / calibrated.to_numpy())[mask],
                }
                assert row.n == mask.sum()
                for kind, values in z.items():
                    for k in (1, 2):
                        share = np.mean(values <= k)
                        assert row.extra[f"{kind}_{k}"] == pytest.approx(share, abs=1.1 / mask.sum())
                assert (row.extra["sample"], row.extra["part"]) == (sample, part)
                if mask.sum() > 30:
                    assert_same(row, moments((residual / calibrated.to_numpy())[mask]))
    assert {key for key in rows if rows[key].n} == expected
    # Regions share out the stars among them, and so do ranges of S/N.
    for sample in samples:
        for kinds in (REGIONS, SNR_RANGES):
            parts_n = [rows[f"{sample}, {kind}", "mh"].n for kind in kinds if (f"{sample}, {kind}", "mh") in rows]
            assert sum(parts_n) == rows[sample, "mh"].n


def test_coverage_before_there_are_calibrated_sigmas(catalogue: Any) -> None:
    nulls = ", ".join(f"sigma_{label.name}_oof = NULL" for label in LABELS)
    catalogue.connection.execute(f"UPDATE production.label SET {nulls}")
    catalogue.connection.execute("DELETE FROM production.training_residual")
    rows = compare(catalogue, "coverage")
    row = rows["observed", "teff"]
    assert (row.status, row.message) == ("not run", "the query gave no calibrated_1")
    assert row.extra["within_1"] > 0.5
    assert row.dispersion is None
    assert rows["training, out of fold", "all"].status == "not run"


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


@pytest.mark.parametrize(
    ("product", "comparison"),
    [("galah", "galah"), ("k2gap", "seismic"), ("clusters", "clusters"), ("apogee", "apogee")],
)
def test_an_absent_survey_is_not_run_and_says_why(catalogue: Any, product: str, comparison: str) -> None:
    catalogue.connection.execute("UPDATE production.ingest_file SET status = 'replaced' WHERE product = %s", (product,))
    (row,) = compare(catalogue, comparison).values()
    assert (row.status, row.n) == ("not run", 0)
    assert row.message == f"no {product} rows were ingested"


@pytest.mark.parametrize("comparison", ["apogee", "galah", "seismic", "clusters", "closure", "likeness", "precision"])
def test_files_of_another_release_are_not_used(catalogue: Any, comparison: str) -> None:
    # The comparison must not even trust the reason above: the query itself joins the ledger.
    catalogue.connection.execute("UPDATE production.ingest_file SET release = 'dr3' WHERE product NOT LIKE 'gaia%'")
    parameters = query_parameters(catalogue.run, CHECKS)
    query = load(f"validation/{comparison}")
    rows = catalogue.connection.execute(
        query.statement, {name: parameters[name] for name in query.parameters}
    ).fetchall()
    assert rows == []


def test_null_columns_and_few_stars_are_not_run(catalogue: Any) -> None:
    catalogue.connection.execute("UPDATE survey.galah_star SET fe_h = NULL, teff = 'NaN'")
    rows = compare(catalogue, "galah")
    assert not any(label in ("feh", "teff") for _, label in rows)
    assert rows["15 <= S/N <= 25", "logg"].status == "pass"
    assert rows["15 <= S/N <= 25, [Fe/H] > -1", "all"].status == "not run", "a subset that has become empty is told"
    catalogue.connection.execute("DELETE FROM survey.galah_star WHERE row_number > 12")
    rows = compare(catalogue, "galah")
    assert rows
    assert {row.status for row in rows.values()} == {"not run"}


def test_truth_is_never_asked_for_on_real_data(catalogue: Any) -> None:
    run = catalogue.run
    real = type(run)(run.run_id, run.key, run.release, load_profile("paper"), run.status)
    rows = run_comparisons(catalogue.connection, real, CHECKS)
    found = {row.comparison: row for row in rows}
    assert found["closure"].message == found["likeness"].message == "only a synthetic sky has a known truth"
    assert found["closure"].status == "not run"


def test_without_flags_no_star_is_inside_the_limits(catalogue: Any) -> None:
    catalogue.connection.execute("DELETE FROM production.boundary")
    rows = compare(catalogue, "apogee")
    assert rows["training", "teff"].status == "pass"
    assert rows["observed", "all"].status == "not run"
    assert compare(catalogue, "limits")["all", "all"].status == "not run"


def spoil_labels(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE production.label SET logg = logg + 0.3")


def spoil_sigmas(connection: psycopg.Connection) -> None:
    for label in LABELS:
        column = sql.Identifier(f"sigma_{label.name}")
        connection.execute(sql.SQL("UPDATE production.label SET {c} = {c} / 2").format(c=column))


def spoil_flags(connection: psycopg.Connection) -> None:
    connection.execute(
        "WITH a AS (SELECT source_id, row_number() OVER (ORDER BY source_id) AS i FROM production.boundary), "
        "b AS (SELECT flag_boundary, flag_bits, row_number() OVER (ORDER BY md5(source_id::text)) AS i "
        "FROM production.boundary) "
        "UPDATE production.boundary target SET flag_boundary = b.flag_boundary, flag_bits = b.flag_bits "
        "FROM a JOIN b USING (i) WHERE target.source_id = a.source_id"
    )


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            spoil_labels,
            {
                (name, "logg")
                for name in ("apogee", "closure", "precision", "galah", "seismic", "uncertainties", "coverage")
            }
            # Flags that were made from other labels.
            | {("flag_agreement", "logg"), ("flag_agreement", "any")},
        ),
        (spoil_sigmas, {(name, label.name) for label in LABELS for name in ("uncertainties", "coverage")}),
        (spoil_flags, {("likeness", "tsne"), ("closure", "teff")}),
    ],
)
def test_a_degraded_catalogue_fails_the_right_checks(
    catalogue: Any, spoil: Callable[[psycopg.Connection], None], expected: set[tuple[str, str]]
) -> None:
    def failures() -> set[tuple[str, str]]:
        rows = run_comparisons(catalogue.connection, catalogue.run, CHECKS)
        return {(row.comparison, row.label) for row in rows if row.status == "fail"}

    assert failures() == set()
    spoil(catalogue.connection)
    failed = failures()
    assert failed >= expected
    if spoil is not spoil_flags:
        assert failed == expected


@pytest.mark.parametrize("name", [name for name in names("validation") if not name.endswith("spectra")])
def test_the_file_runs_as_it_stands_with_psql_variables(catalogue: Any, name: str) -> None:
    query = load(name)
    parameters = {**query_parameters(catalogue.run, CHECKS), "perplexity": 50}
    text = query.text
    for parameter in sorted(query.parameters, key=len, reverse=True):
        value = str(parameters[parameter])
        text = text.replace(f":'{parameter}'", f"'{value}'").replace(f":{parameter}", value)
    with psycopg.ClientCursor(catalogue.connection) as cursor:
        typed = cursor.execute(text).fetchall()
    bound = catalogue.connection.execute(query.statement, {key: parameters[key] for key in query.parameters}).fetchall()
    assert bound or name.removeprefix("validation/") in STUDY_QUERIES
    assert sorted(map(str, typed)) == sorted(map(str, bound))


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
