"""Coverage of the uncertainties: the queries against the same numbers computed from what was seeded."""

from typing import Any

import numpy as np
import pytest

from catalog.database.queries import fetch_frame
from catalog.metadata import LABELS
from catalog.validation.moments import moments
from tests.validation.comparing import assert_same, compare, subsets


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
