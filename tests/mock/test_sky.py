"""The written sky: files, determinism, quirks, and what happens when the writing is interrupted."""

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalog.errors import ConfigurationError
from catalog.mock import gaia_files, write_sky
from catalog.mock.layouts import bulk_columns
from catalog.mock.manifest import is_complete
from catalog.mock.pipelines import GSPSPEC_ALPHA, GSPSPEC_LOGG, GSPSPEC_MH
from catalog.profiles.model import MockSettings
from catalog.releases import Release

GAIA = {
    "gaia_source": "GaiaSource",
    "astrophysical_parameters": "AstrophysicalParameters",
    "rvs_mean_spectrum": "RvsMeanSpectrum",
    "xp_continuous_mean_spectrum": "XpContinuousMeanSpectrum",
}
Reader = Callable[..., pd.DataFrame]
SMALL = MockSettings(n_stars=60, n_files=1, seed=4)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, release: Release) -> None:
    counts = write_sky(tmp_path / "a", SMALL, release)
    assert write_sky(tmp_path / "b", SMALL, release) == counts
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_stars_do_not_depend_on_the_number_of_files(
    tmp_path: Path, release: Release, sky: Path, mock: MockSettings, read_bulk: Reader
) -> None:
    write_sky(tmp_path / "sky", mock.model_copy(update={"n_files": 3}), release)
    for product in GAIA:
        assert len(list((tmp_path / "sky" / product).glob("*.csv.gz"))) == 3
        pd.testing.assert_frame_equal(read_bulk(tmp_path / "sky" / product), read_bulk(sky / product))


def test_files_and_names(sky: Path, mock: MockSettings) -> None:
    ranges = set()
    for product, prefix in GAIA.items():
        names = sorted(path.name for path in (sky / product).glob("*.csv.gz"))
        assert len(names) == mock.n_files
        assert names[0].startswith(f"{prefix}_000000-")
        assert names[-1].endswith("-786431.csv.gz")
        ranges.add(tuple(name.removeprefix(f"{prefix}_") for name in names))
        for line in (sky / product / "_MD5SUM.txt").read_text().splitlines():
            md5, name = line.split("  ")
            assert hashlib.md5((sky / product / name).read_bytes()).hexdigest() == md5
    assert len(ranges) == 1
    expected = {
        "apogee/allStarLite-dr17-synspec_rev1.fits",
        "galah/GALAH_DR3_main_allstar_v2.fits",
        "mock_truth/mock_truth.csv",
        "manifest.json",
    }
    assert expected <= set(digests(sky))


def test_sources_lie_in_their_files(sky: Path) -> None:
    for path in (sky / "gaia_source").glob("*.csv.gz"):
        first, last = map(int, path.name.removesuffix(".csv.gz").split("_")[1].split("-"))
        ids = pd.read_csv(path, comment="#", usecols=["source_id"])["source_id"].to_numpy()
        assert first <= (ids >> 43).min()
        assert (ids >> 43).max() <= last
        assert (np.diff(ids) > 0).all()


def test_file_ranges_cover_the_sky_even_when_stars_are_few() -> None:
    ids = np.sort(np.random.default_rng(0).integers(0, 12 << 59, 10))
    ranges = gaia_files.file_ranges(ids, 8)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 786431
    assert all(low <= high for low, high in ranges)
    assert all(before[1] + 1 == after[0] for before, after in pairwise(ranges))


def test_columns(sky: Path, read_bulk: Reader) -> None:
    for product, number in (("gaia_source", 152), ("astrophysical_parameters", 226)):
        table = read_bulk(sky / product)
        assert len(table.columns) == number
        assert table.columns[0] == "solution_id"
    assert len(bulk_columns("xp_continuous_mean_spectrum")) == 26
    source = read_bulk(sky / "gaia_source")
    assert source["phot_variable_flag"].isin(["VARIABLE", "CONSTANT", "NOT_AVAILABLE"]).all()
    assert source["has_rvs"].sum() == 300
    assert (~source["has_rvs"]).sum() >= 5
    assert source.loc[~source["has_rvs"], "rvs_spec_sig_to_noise"].isna().all()
    np.testing.assert_allclose(
        source["parallax_over_error"], source["parallax"] / source["parallax_error"], rtol=1e-5, equal_nan=True
    )
    np.testing.assert_allclose(source["bp_rp"], source["phot_bp_mean_mag"] - source["phot_rp_mean_mag"], atol=2e-6)
    np.testing.assert_allclose(
        source["phot_g_mean_mag"], 25.687365 - 2.5 * np.log10(source["phot_g_mean_flux"]), atol=2e-6
    )


def test_sources_without_bp_or_xp(sky: Path, read_bulk: Reader) -> None:
    source = read_bulk(sky / "gaia_source", ["source_id", "has_xp_continuous", "has_rvs"])
    table = read_bulk(sky / "xp_continuous_mean_spectrum")
    assert set(table["source_id"]) == set(source.loc[source["has_xp_continuous"], "source_id"])
    assert (source["has_rvs"] & ~source["has_xp_continuous"]).sum() >= 2
    without = table["bp_coefficients"].isna()
    assert without.sum() >= 2
    assert table.loc[without, [c for c in table if c.startswith("bp_")]].isna().all(axis=None)
    assert table["rp_coefficients"].notna().all()
    for name, size in (("bp_coefficients", 55), ("rp_coefficient_errors", 55), ("rp_coefficient_correlations", 1485)):
        texts = table[name].dropna()
        assert (texts.str.count(",") == size - 1).all()


def test_coefficients_follow_flux_and_colour(sky: Path, read_bulk: Reader) -> None:
    source = read_bulk(sky / "gaia_source", ["source_id", "phot_bp_mean_flux", "bp_rp"])
    table = read_bulk(sky / "xp_continuous_mean_spectrum", ["source_id", "bp_coefficients"]).dropna()
    table = table.merge(source, on="source_id")
    values = np.array([np.fromstring(text.strip("[]"), sep=",") for text in table["bp_coefficients"]])
    assert (values[:, 0] > 0).all()
    assert np.corrcoef(np.log(values[:, 0]), np.log(table["phot_bp_mean_flux"]))[0, 1] > 0.99
    assert abs(np.corrcoef(values[:, 1] / values[:, 0], table["bp_rp"])[0, 1]) > 0.7
    spread = (values / values[:, :1]).std(axis=0)
    assert spread[1] > spread[3] > spread[20]


def test_spectra(sky: Path, read_bulk: Reader) -> None:
    table = read_bulk(sky / "rvs_mean_spectrum", ["source_id", "flux", "flux_error"])
    assert len(table) == 300
    assert table["source_id"].is_unique
    flux = np.array([np.fromstring(text.strip("[]"), sep=",") for text in table["flux"].head(60)])
    error = np.array([np.fromstring(text.strip("[]"), sep=",") for text in table["flux_error"].head(60)])
    assert flux.shape == (60, 2401)
    np.testing.assert_array_equal(np.isnan(flux), np.isnan(error))
    source = read_bulk(sky / "gaia_source", ["source_id", "rvs_spec_sig_to_noise"])
    snr = table.head(60).merge(source, on="source_id")["rvs_spec_sig_to_noise"]
    assert np.nanmedian(np.nanmedian(1 / error, axis=1) / snr) == pytest.approx(1.0, abs=0.1)


def test_every_cut_of_the_observed_sample_rejects_a_star(sky: Path, release: Release, read_bulk: Reader) -> None:
    source = read_bulk(sky / "gaia_source").merge(
        read_bulk(sky / "astrophysical_parameters", ["source_id", "classlabel_espels"]), on="source_id"
    )
    table = source[source["has_rvs"]]
    coefficients = read_bulk(sky / "xp_continuous_mean_spectrum", ["source_id", "bp_coefficients"]).dropna()
    least = release.cuts.phot_mean_flux_over_error_min
    passes = {
        "galaxy": ~table["in_galaxy_candidates"],
        "qso": ~table["in_qso_candidates"],
        "variable": table["phot_variable_flag"] != "VARIABLE",
        "non-single": table["non_single_star"] == 0,
        **{band: table[f"phot_{band}_mean_flux_over_error"] > least for band in ("g", "bp", "rp")},
        "parallax": table["parallax"] >= 0,
        "xp": table["has_xp_continuous"],
        "coefficients": table["source_id"].isin(coefficients["source_id"]),
        "emission": table["classlabel_espels"].isna(),
    }
    left = np.ones(len(table), dtype=bool)
    for name, passed in passes.items():
        assert (left & ~passed).sum() >= 1, name
        left &= passed.to_numpy()
    assert left.mean() > 0.75
    assert table["parallax"].isna().any()
    assert (table["parallax"] < 0).any()


def test_gaia_misses_some_emission_line_stars(sky: Path, read_bulk: Reader) -> None:
    """They pass the cut on classlabel_espels: digit 8 of the flag is what is left to find them."""
    classes = read_bulk(sky / "astrophysical_parameters", ["source_id", "classlabel_espels"])
    table = classes.merge(pd.read_csv(sky / "mock_truth" / "mock_truth.csv"), on="source_id")
    shows = table["kind"] == "emission-line star"
    assert not table.loc[~shows, "classlabel_espels"].notna().any()
    assert table.loc[shows, "classlabel_espels"].isna().mean() == pytest.approx(0.25, abs=0.15)


def test_gspspec(sky: Path, read_bulk: Reader) -> None:
    """Worse at low S/N, flagged there, and unbiased once calibrated."""
    table = read_bulk(sky / "astrophysical_parameters").merge(
        read_bulk(sky / "gaia_source", ["source_id", "rvs_spec_sig_to_noise"]), on="source_id"
    )
    table = table.merge(pd.read_csv(sky / "mock_truth" / "mock_truth.csv"), on="source_id").dropna(
        subset=["flags_gspspec"]
    )
    flags = table["flags_gspspec"]
    assert (flags.str.len() == 41).all()
    assert flags.str.fullmatch("[0-9]{41}").all()
    good = flags.str.startswith("0" * 13)
    noisy = table["rvs_spec_sig_to_noise"] < 25
    assert not (good & noisy).any()
    assert 0.2 < good.mean() < 0.8
    polyval = np.polynomial.polynomial.polyval
    logg = table["logg_gspspec"]
    residual = {
        "logg": logg + polyval(logg, GSPSPEC_LOGG) - table["logg"],
        "mh": table["mh_gspspec"] + polyval(logg, GSPSPEC_MH) - table["mh"],
        "alpham": table["alphafe_gspspec"] + polyval(logg, GSPSPEC_ALPHA) - table["alpham"],
    }
    for name, limit in (("logg", 0.12), ("mh", 0.03), ("alpham", 0.03)):
        assert abs(residual[name][good].median()) < limit, name
        assert residual[name][noisy].std() > residual[name][good].std(), name
    giants = good & table["logg"].between(2.2, 2.8)
    assert (table["logg"] - logg)[giants].median() == pytest.approx(0.27, abs=0.1)


def test_gspphot_fails_for_metal_poor_stars(sky: Path, read_bulk: Reader) -> None:
    table = read_bulk(sky / "astrophysical_parameters", ["source_id", "mh_gspphot"]).merge(
        pd.read_csv(sky / "mock_truth" / "mock_truth.csv"), on="source_id"
    )
    residual = (table["mh_gspphot"] - table["mh"]).dropna()
    poor = table.loc[residual.index, "mh"] < -1.3
    assert residual[poor].median() > residual[~poor].median() + 0.3


def test_truth(sky: Path) -> None:
    truth = pd.read_csv(sky / "mock_truth" / "mock_truth.csv")
    assert list(truth.columns) == [
        "source_id", "kind", "population", "teff", "logg", "mh", "alpham", "feh", "distance", "r_gal", "z_gal",
    ]  # fmt: skip
    assert len(truth) == 300
    assert truth.notna().all(axis=None)
    assert {"giant", "red clump", "dwarf", "subgiant", "M giant", "M dwarf", "hot star", "binary"} <= set(truth["kind"])


def test_an_interrupted_writing_leaves_nothing_that_looks_whole(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "surveys" / "sky"

    def interrupt(done: float, total: float, what: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sky(folder, SMALL, release, interrupt)
    assert list(folder.parent.iterdir()) == []
    # A killed process has no time to tidy up: the next writing does it.
    left = folder.parent / f".{folder.name}.writing-{2**22 + 7}"
    (left / "gaia_source").mkdir(parents=True)
    (left / "gaia_source" / "GaiaSource_000000-786431.csv.gz").write_bytes(b"half")
    write_sky(folder, SMALL, release)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert is_complete(folder, SMALL, release) is not None


def test_completeness(tmp_path: Path, release: Release) -> None:
    folder = tmp_path / "sky"
    counts = write_sky(folder, SMALL, release)
    assert is_complete(folder, SMALL, release) == counts
    assert is_complete(folder, SMALL.model_copy(update={"n_files": 2}), release) is None
    truth = folder / "mock_truth" / "mock_truth.csv"
    content = truth.read_bytes()
    truth.write_bytes(content[:-10])
    assert is_complete(folder, SMALL, release) is None
    write_sky(folder, SMALL, release)  # replaces what is its own
    assert truth.read_bytes() == content
    (folder / "manifest.json").write_text("{")
    assert is_complete(folder, SMALL, release) is None


def test_other_files_are_not_overwritten(tmp_path: Path, release: Release) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"no synthetic sky.*not overwritten"):
        write_sky(tmp_path / "precious", SMALL, release)
    assert (tmp_path / "precious" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "precious" / "manifest.json").exists()
