"""APOGEE, GALAH, K2 GAP, clusters and StarHorse of the synthetic sky."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from catalog.mock.apogee import BITS, observe_apogee, two_mass_names
from catalog.mock.fits_files import NULL_INTEGER
from catalog.releases import Release


@pytest.fixture(scope="module")
def apogee(sky: Path) -> Table:
    return read(sky / "apogee" / "allStarLite-dr17-synspec_rev1.fits")


@pytest.fixture(scope="module")
def truth(sky: Path) -> pd.DataFrame:
    return pd.read_csv(sky / "mock_truth" / "mock_truth.csv").set_index("source_id")


def read(path: Path) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units of the archives that astropy does not know
        return Table.read(path, hdu=1)


def plain(column: object) -> np.ndarray:
    """Return native values, NaN where astropy masks."""
    values = np.ma.asarray(column)
    return np.asarray(values.filled(np.nan) if values.dtype.kind == "f" else values.data).astype(
        values.dtype.newbyteorder("=")
    )


def test_apogee_columns_are_those_of_the_real_file(sky: Path, real_data: Path) -> None:
    with fits.open(real_data / "apogee" / "allstarlite_dr17_x_montalban2021_95rows.fits") as real:
        expected = [(column.name, column.format) for column in real[1].columns][22:-1]
    with fits.open(sky / "apogee" / "allStarLite-dr17-synspec_rev1.fits") as ours:
        assert [(column.name, column.format) for column in ours[1].columns] == expected
        assert len(ours) == 4
        assert len(ours[3].data["ELEM_SYMBOL"][0].split()) == 27
        assert "DATE" not in ours[1].header


def test_apogee_flags_need_64_bits(apogee: Table) -> None:
    assert apogee["ASPCAPFLAG"].dtype.itemsize == 8
    flags = plain(apogee["ASPCAPFLAG"])
    assert (flags & (np.int64(1) << BITS["MULTIPLE_SUSPECT"])).any()
    bad = (flags & (1 << BITS["STAR_BAD"])) != 0
    assert bad.any()
    teff = plain(apogee["TEFF"])
    assert (np.isnan(teff[bad]) | (teff[bad] == -9999)).all()
    texts = np.asarray(apogee["ASPCAPFLAGS"]).astype(str)
    assert all(("STAR_BAD" in text) == is_bad for text, is_bad in zip(texts, bad, strict=True))


def test_apogee_sentinels(apogee: Table) -> None:
    assert (plain(apogee["GAIAEDR3_SOURCE_ID"]) == 0).any()
    labels = np.stack([plain(apogee[name]) for name in ("TEFF", "ALPHA_M")])
    assert np.isnan(labels).any()
    assert (labels == -9999).any()


def test_apogee_repeats_stars(apogee: Table) -> None:
    table = pd.DataFrame({"id": plain(apogee["GAIAEDR3_SOURCE_ID"]), "snr": plain(apogee["SNR"])})
    repeated = table[(table["id"] != 0) & table["id"].duplicated(keep=False)]
    assert repeated["id"].nunique() >= 3
    spread = repeated.groupby("id")["snr"].agg(lambda values: values.max() - values.min())
    assert (spread > 0).any()
    assert (spread == 0).any()  # a tie has to be settled as well


def test_apogee_labels_are_close_to_the_truth(apogee: Table, truth: pd.DataFrame) -> None:
    rows = {
        "teff": ("TEFF", 45.0), "logg": ("LOGG", 0.08), "mh": ("M_H", 0.04), "alpham": ("ALPHA_M", 0.03),
        "feh": ("FE_H", 0.04),
    }  # fmt: skip
    ids = plain(apogee["GAIAEDR3_SOURCE_ID"])
    known = np.isin(ids, truth.index)
    for label, (column, spread) in rows.items():
        values = plain(apogee[column])
        good = known & (values > -90) & np.isfinite(values)
        residual = values[good] - truth.loc[ids[good], label].to_numpy()
        assert abs(np.median(residual)) < 0.2 * spread, label
        assert np.std(residual) < spread, label
        assert np.std(residual) > 0.2 * spread, label


def test_every_cut_of_the_training_sample_rejects_a_star(stars: pd.DataFrame, release: Release) -> None:
    """Among stars that pass everything else, and with the highest-S/N row of each."""
    cuts = release.cuts
    rows = observe_apogee(11, stars, cuts).sort_values("SNR", ascending=False, kind="stable")
    table = stars.merge(rows.drop_duplicates("GAIAEDR3_SOURCE_ID"), left_on="source_id", right_on="GAIAEDR3_SOURCE_ID")
    table = table[table["has_rvs"]]
    mask = sum(1 << bit for bit in cuts.aspcapflag_bits)

    def metal_error(value: str) -> pd.Series:
        limit = np.where(table[value] < cuts.metallicity_split, cuts.metal_poor_err_max, cuts.metal_rich_err_max)
        return table[f"{value}_ERR"] < limit

    passes = {
        "flags": (table["ASPCAPFLAG"] & mask) == 0,
        "chi2": table["ASPCAP_CHI2"] < cuts.aspcap_chi2_max,
        "fe_h_flag": table["FE_H_FLAG"] == 0,
        "teff_err": table["TEFF_ERR"] < cuts.teff_err_max,
        "logg_err": table["LOGG_ERR"] < cuts.logg_err_max,
        "m_h_err": metal_error("M_H"),
        "fe_h_err": metal_error("FE_H"),
        "alpha_m_err": table["ALPHA_M_ERR"] < cuts.alpha_m_err_max,
        "labels": table["ALPHA_M"] > -90,
        "snr": table["snr"] >= cuts.training_snr_min,
        "parallax": table["parallax"] / table["parallax_error"] > cuts.training_parallax_over_error_min,
        "ruwe": table["ruwe"] < cuts.training_ruwe_max,
    }
    left = np.ones(len(table), dtype=bool)
    for name, passed in passes.items():
        assert (left & ~passed).sum() >= 1, name
        left &= passed.to_numpy()
    assert 0.18 < left.sum() / stars["has_rvs"].sum() < 0.30
    training = table[left]
    assert not training["kind"].isin(["M giant", "M dwarf", "hot star", "emission-line star"]).any()
    assert 0.5 < (training["LOGG"] < 3.5).mean() < 0.9


def test_two_mass_names() -> None:
    names = two_mass_names(np.array([291.570602, 0.0, 359.9999999]), np.array([37.764648, -0.00003, -89.99999999]))
    assert list(names) == ["2M19261694+3745527", "2M00000000-0000001", "2M00000000-9000000"]


def test_galah(sky: Path, truth: pd.DataFrame) -> None:
    with fits.open(sky / "galah" / "GALAH_DR3_main_allstar_v2.fits") as hdus:
        columns = {column.name: column for column in hdus[1].columns}
        assert len(columns) == 197
        assert columns["sobject_id"].null == 999999
        assert columns["dr2_source_id"].null == NULL_INTEGER
        assert (hdus[1].data["dr2_source_id"] == NULL_INTEGER).all()
        data = {name: plain(hdus[1].data[name]) for name in ("dr3_source_id", "teff", "fe_h", "alpha_fe", "flag_sp")}
    assert len(set(data["dr3_source_id"])) == len(data["dr3_source_id"])
    assert (data["flag_sp"] != 0).any()
    good = (data["flag_sp"] == 0) & np.isfinite(data["alpha_fe"])
    assert good.sum() > 15
    real = truth.loc[data["dr3_source_id"][good]]
    assert np.std(data["fe_h"][good] - real["feh"]) < 0.15
    assert np.std(data["alpha_fe"][good] - real["alpham"]) < 0.10


def test_k2gap(sky: Path, truth: pd.DataFrame, real_data: Path) -> None:
    path = sky / "k2gap" / "apo_k2_catalog.csv"
    with (real_data / "k2gap" / "apo_k2_catalog_7672rows.csv").open() as real:
        assert path.read_text().splitlines()[0] == real.readline().strip()
    table = pd.read_csv(path)
    assert len(table) >= 12
    seismic = 4.44 + np.log10(table["numax"] / 3090.0) + 0.5 * np.log10(table["teff"] / 5777.0)
    residual = seismic - truth.loc[table["gaia_source"], "logg"].to_numpy()
    assert np.std(residual) < 0.03
    assert set(table["ev"]) <= {"RGB", "RC"}
    assert table["camp"].astype(str).str.startswith("[").any()


def test_cluster_members(sky: Path, truth: pd.DataFrame) -> None:
    path = sky / "clusters" / "oc_members_gaiadr3_mh_gspspec.fits"
    with fits.open(path) as hdus:
        assert hdus[0].data.dtype == np.uint8  # as table editors write it: the first data are not the table
        assert hdus[1].header["EXTNAME"] == "Joined"
    table = read(path)
    assert table.colnames == ["Cluster", "Proba", "source_id", "mh_gspspec", "mh_gspspec_lower", "mh_gspspec_upper"]
    likely = np.asarray(table["Proba"]) > 0.6
    assert (~likely).any()
    frame = pd.DataFrame({"cluster": np.asarray(table["Cluster"])[likely].astype(str)})
    frame["feh"] = truth.loc[np.asarray(table["source_id"])[likely], "feh"].to_numpy()
    assert (frame.groupby("cluster")["feh"].std() < 0.06).all()


def test_starhorse(sky: Path, truth: pd.DataFrame) -> None:
    table = read(sky / "starhorse" / "starhorse_gaia_rvs_v2.fits")
    assert table["source_id"].dtype.kind == "i"
    low, middle, high = (np.asarray(table[f"dist{q}"]) for q in (16, 50, 84))
    assert (low < middle).all()
    assert (middle < high).all()
    ratio = middle / truth.loc[np.asarray(table["source_id"]), "distance"].to_numpy()
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)
    assert len(table) < 300
