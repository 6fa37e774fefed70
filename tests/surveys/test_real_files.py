"""Every published file that the schema needs, read whole: counts and values of the folder's README."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys import open_survey
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.rvs_mean_spectrum import grid_error

Read = Callable[[Path, str], SurveyBatch]

# file: product, rows taken over, rows set aside
READ = {
    "rvs/rvs_1535964555128078720.csv": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_2128215909315876352_Kepler-409.csv": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_2131314401800665344_KOI-001.csv": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_4268620287278693120_HD176650.csv": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_1496482535683660800.fits": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_2887834618539920256.fits": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_5607501093981045504.fits": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_6344493361434378624.fits": ("rvs_mean_spectrum", 1, 0),
    "rvs/rvs_863983115982280448.fits": ("rvs_mean_spectrum", 1, 0),
    **{
        f"xp/xp_continuous_raw_{stem}": ("xp_continuous_mean_spectrum", n_rows, 0)
        for name, n_rows in (("2stars", 2), ("missing_bp_3rows", 3))
        for stem in (f"{name}.csv", f"{name}.ecsv", f"{name}.fits", f"{name}.xml", f"{name}_plain.xml")
    },
    "xp/xp_continuous_flat_2000stars.fits": ("xp_continuous_mean_spectrum", 2000, 0),
    "gaia_source/gaia_source_tap_1row_152cols.csv": ("gaia_source", 1, 0),
    "gaia_source/gaia_source_tap_1row_152cols.ecsv": ("gaia_source", 1, 0),
    "gaia_source/gaia_source_tap_1row_152cols.fits": ("gaia_source", 1, 0),
    "gaia_source/gaia_source_tap_1row_152cols.vot": ("gaia_source", 1, 0),
    "gaia_source/gaia_source_tap_5rows_153cols.ecsv": ("gaia_source", 5, 0),
    "gaia_source/gaia_source_odette_1row.vot": ("gaia_source", 1, 0),
    "gaia_source/gaia_dr3_vizier_I355_omegacen_180rows.fits": ("gaia_source", 180, 0),
    "gaia_source/gspspec_odette_1row.vot": ("astrophysical_parameters", 1, 0),
    "apogee/allstarlite_dr17_x_montalban2021_95rows.fits": ("apogee", 95, 0),
    "galah/galah_dr3_allstar_m67_lite_813rows.csv": ("galah", 813, 0),
    "k2gap/apo_k2_catalog_7672rows.csv": ("k2gap", 7672, 0),
    "k2gap/warfield2024_t1_apok2_rgb_ages_mrt.txt": ("k2gap", 4661, 0),
    "k2gap/warfield2024_t3_apok2_rc_ages_mrt.txt": ("k2gap", 1912, 0),
    "k2gap/warfield2024_t4_apok2_lowfeh_ages_mrt.txt": ("k2gap", 230, 0),
    # 30 blank ids and one null integer printed as text.
    "k2gap/k2_galah_zinn2022_x_starhorse_1347rows.fits": ("starhorse", 1316, 31),
    "clusters/oc_members_gaiadr3_mh_gspspec_2174rows.fits": ("clusters", 2174, 0),
    "clusters/cantatgaudin2020_members/Collinder_69.txt": ("clusters", 581, 0),
    "clusters/cantatgaudin2020_members/IC_2391.txt": ("clusters", 216, 0),
    "clusters/cantatgaudin2020_members/IC_2602.txt": ("clusters", 279, 0),
    "clusters/cantatgaudin2020_members/IC_4665.txt": ("clusters", 156, 0),
    "clusters/cantatgaudin2020_members/NGC_1960.txt": ("clusters", 267, 0),
    "clusters/cantatgaudin2020_members/NGC_2264.txt": ("clusters", 134, 0),
    "clusters/cantatgaudin2020_members/NGC_2547.txt": ("clusters", 206, 0),
    "clusters/cantatgaudin2020_members/NGC_6405.txt": ("clusters", 534, 0),
}

# file: product that it might be taken for, words of the refusal
REFUSED = {
    "rvs/gspspec_grid_800px_3stars.fits": (
        "rvs_mean_spectrum",
        "800 x 3.* pixels: wrong number of pixels.* 2401 pixels",
    ),
    "rvs/gaia_rvs_wavelength_2401.fits": ("rvs_mean_spectrum", "no table but an image of 2401 pixels"),
    "gaia_source/tap_join_vari_planet_21rows.fits": ("gaia_source", "lacks ra .*dec "),
    "xp/datalink_xp_sampled_5937083312263887616.csv": ("xp_continuous_mean_spectrum", "lacks bp_coefficients"),
    "xp/datalink_xp_sampled_5937083312263887616.ecsv": ("rvs_mean_spectrum", "wrong number of pixels: 343"),
    "xp/datalink_xp_sampled_5937083312263887616.fits": ("rvs_mean_spectrum", "wrong number of pixels: 343"),
    "xp/datalink_xp_sampled_5937083312263887616.xml": ("rvs_mean_spectrum", "wrong number of pixels: 343"),
    "bulk_ecsv_layout/gaia_epoch_photometry_bulk_3rows.ecsv": ("rvs_mean_spectrum", r"\(bulk ECSV\) lacks flux"),
    "apogee/apogee_gaiadr3_ids_rvs_snr_712rows.csv": ("apogee", "lacks gaiaedr3_source_id"),
    "galah/galah_dr3_column_meta_official.txt": ("galah", "lacks sobject_id"),
    "galah/galah_dr3_main_allspec_v1_schema_official.txt": ("galah", "lacks sobject_id"),
    "clusters/cantatgaudin2020_table1_2017clusters.fits": ("clusters", "lacks source_id"),
    "clusters/occam_members_apogee_dr17.fits": ("clusters", "lacks source_id"),
    "clusters/spina2021_table3_134clusters.fit": ("clusters", "lacks source_id"),
    # Labels of RAVE stars by a network of the same authors: no Gaia identifiers.
    **{
        f"guiglion2020_rave/{name}.csv": ("rvs_cnn", "lacks sourceid or source_id, ")
        for name in (
            "res_train_cnn_3669stars",
            "training_sample_labels",
            "training_sample_parameters",
            "y_train_cnn_3669stars",
        )
    },
}


@pytest.mark.parametrize(
    ("name", "product", "n_rows", "n_rejected"), [(k, *v) for k, v in READ.items()], ids=list(READ)
)
def test_is_read(real_data: Path, read: Read, name: str, product: str, n_rows: int, n_rejected: int) -> None:
    batch = read(real_data / name, product)
    assert len(batch) == n_rows
    assert len(batch.rejections) == n_rejected
    assert {len(values) for values in batch.columns.values()} == {n_rows}


@pytest.mark.parametrize(("name", "product", "words"), [(k, *v) for k, v in REFUSED.items()], ids=list(REFUSED))
def test_is_refused_with_its_name(real_data: Path, read: Read, name: str, product: str, words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        read(real_data / name, product)
    assert str(real_data / name) in caught.value.message
    assert caught.value.remedy


def test_no_file_is_forgotten(real_data: Path) -> None:
    files = {str(path.relative_to(real_data)) for path in real_data.rglob("*") if path.is_file()}
    described = {"README.md", "FORMATS.md", "MANIFEST.tsv"}
    assert files - described == {*READ, *REFUSED}


# name: source_id, S/N, indices of missing pixels, transits, CCDs, deblended CCDs
SPECTRA = {
    "rvs_1535964555128078720.csv": (1535964555128078720, 91, range(2398, 2401)),
    "rvs_2128215909315876352_Kepler-409.csv": (2128215909315876352, 158, [*range(6), *range(2397, 2401)]),
    "rvs_2131314401800665344_KOI-001.csv": (2131314401800665344, 21, range(2397, 2401)),
    "rvs_4268620287278693120_HD176650.csv": (4268620287278693120, 460, ()),
    "rvs_1496482535683660800.fits": (1496482535683660800, 31, range(1, 5)),
    "rvs_2887834618539920256.fits": (2887834618539920256, 62, range(2391, 2401)),
    "rvs_5607501093981045504.fits": (5607501093981045504, 17, range(2375, 2401)),
    "rvs_6344493361434378624.fits": (6344493361434378624, 39, range(1, 6)),
    "rvs_863983115982280448.fits": (863983115982280448, 21, range(83)),
}


@pytest.mark.parametrize(("name", "source_id", "snr", "gap"), [(k, *v) for k, v in SPECTRA.items()], ids=list(SPECTRA))
def test_rvs_spectrum(real_data: Path, read: Read, name: str, source_id: int, snr: int, gap: list[int]) -> None:
    columns = read(real_data / "rvs" / name, "rvs_mean_spectrum").columns
    flux, error = columns["flux"], columns["flux_error"]
    assert columns["source_id"].tolist() == [source_id]
    assert flux.shape == error.shape == (1, 2401)
    assert flux.dtype == error.dtype == np.float32
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(flux[0])), list(gap))
    np.testing.assert_array_equal(np.isnan(flux), np.isnan(error))
    assert round(float(np.nanmedian(flux / error))) == snr


def test_rvs_values_and_counters(real_data: Path, read: Read) -> None:
    csv = read(real_data / "rvs/rvs_2131314401800665344_KOI-001.csv", "rvs_mean_spectrum").columns
    assert csv["flux"][0, :2].tolist() == [np.float32(0.98698866), np.float32(0.9609206)]
    assert csv["flux_error"][0, 0] == np.float32(0.025057154)
    assert [int(csv[name][0]) for name in ("combined_transits", "combined_ccds", "deblended_ccds")] == [3, 7, 1]
    keywords = read(real_data / "rvs/rvs_1496482535683660800.fits", "rvs_mean_spectrum").columns
    assert [int(keywords[name][0]) for name in ("combined_transits", "combined_ccds", "deblended_ccds")] == [39, 99, 74]
    assert float(keywords["flux_error"][0, 0]) == pytest.approx(0.185, abs=5e-4)


def test_rvs_grid_of_the_release_is_the_published_one(real_data: Path, release: Release) -> None:
    wavelength = fits.getdata(real_data / "rvs/gaia_rvs_wavelength_2401.fits")
    assert grid_error(wavelength, release.rvs) == ""
    assert "pixel" in grid_error(wavelength + 0.005, release.rvs)


def test_xp_forms_agree(real_data: Path, read: Read) -> None:
    stem = real_data / "xp/xp_continuous_raw_2stars"
    forms = [read(stem.with_name(stem.name + end), "xp_continuous_mean_spectrum").columns
             for end in (".csv", ".ecsv", ".fits", ".xml", "_plain.xml")]  # fmt: skip
    for columns in forms:
        assert columns["source_id"].tolist() == [5762406957886626816, 5853498713190525696]
        for name, values in columns.items():
            np.testing.assert_array_equal(values, forms[0][name])
    second = forms[0]["bp_coefficients"][1]
    assert second.shape == (55,)
    assert second[:2].tolist() == [56947.03696840172, 13812.466168611605]
    assert second[-1] == -0.7771763940478618


def test_xp_star_without_bp(real_data: Path, read: Read) -> None:
    stem = real_data / "xp/xp_continuous_raw_missing_bp_3rows"
    forms = [read(stem.with_name(stem.name + end), "xp_continuous_mean_spectrum").columns
             for end in (".csv", ".ecsv", ".fits", ".xml", "_plain.xml")]  # fmt: skip
    for columns in forms:
        star = columns["source_id"].tolist().index(5405570973190252288)
        assert np.ma.getmaskarray(columns["bp_coefficients"])[star].all()
        assert np.ma.getmaskarray(columns["bp_coefficients"]).any(axis=1).sum() == 1
        assert np.ma.getmaskarray(columns["bp_n_relevant_bases"]).sum() == 1
        assert columns["rp_coefficients"][star, 0] == 38.18018501664883
        assert not np.ma.getmaskarray(columns["rp_coefficients"]).any()
        for name in ("rp_coefficients", "rp_n_relevant_bases", "bp_coefficients"):
            np.testing.assert_array_equal(columns[name], forms[0][name])


def test_xp_flat_table(real_data: Path, read: Read) -> None:
    path = real_data / "xp/xp_continuous_flat_2000stars.fits"
    columns = read(path, "xp_continuous_mean_spectrum").columns
    assert len(set(columns["source_id"].tolist())) == 2000
    assert columns["bp_coefficients"].shape == columns["rp_coefficients"].shape == (2000, 55)
    assert np.isfinite(columns["bp_coefficients"]).all()
    assert columns["bp_n_relevant_bases"].min() == 1
    with fits.open(path) as hdus:
        table = next(hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)).data
        row = np.flatnonzero(table["source_id"] == columns["source_id"][0])[0]
        assert columns["rp_coefficients"][0, 54] == table["rp_coeff_54"][row]


def test_gaia_source_tap_forms_agree(real_data: Path, read: Read) -> None:
    stem = real_data / "gaia_source/gaia_source_tap_1row_152cols"
    forms = [read(stem.with_suffix(end), "gaia_source").columns for end in (".csv", ".ecsv", ".fits", ".vot")]
    for columns in forms:
        for name, values in columns.items():
            assert np.ma.getmaskarray(values).tolist() == np.ma.getmaskarray(forms[0][name]).tolist(), name
            np.testing.assert_array_equal(values, forms[0][name], err_msg=name)
    row = {name: values[0] for name, values in forms[0].items()}
    assert row["source_id"] == 5929246508730155392
    assert (row["ra"], row["dec"], row["parallax"]) == (253.45840143189537, -55.54049891187545, 0.14694054668014928)
    assert (row["ruwe"], row["phot_g_mean_mag"]) == (np.float32(1.0821289), np.float32(14.18208))
    assert row["rv_nb_transits"] == 17
    assert np.isnan(row["rvs_spec_sig_to_noise"])
    assert row["phot_variable_flag"] == "NOT_AVAILABLE"
    flags = ("in_qso_candidates", "in_galaxy_candidates", "has_rvs", "has_xp_continuous")
    assert [bool(row[name]) for name in flags] == [False, False, False, True]


def test_gaia_source_faint_stars_with_nulls(real_data: Path, read: Read) -> None:
    columns = read(real_data / "gaia_source/gaia_source_tap_5rows_153cols.ecsv", "gaia_source").columns
    assert np.isnan(columns["parallax"]).sum() == 2
    assert np.isnan(columns["radial_velocity"]).all()
    assert np.ma.getmaskarray(columns["rv_nb_transits"]).all()
    assert columns["has_xp_continuous"].sum() == 1


def test_gaia_source_nulls_that_an_author_replaced(real_data: Path, read: Read) -> None:
    columns = read(real_data / "gaia_source/gaia_source_odette_1row.vot", "gaia_source").columns
    assert columns["source_id"].tolist() == [2135550755683405952]
    assert round(float(columns["phot_g_mean_mag"][0]), 2) == 5.82
    assert not columns["has_rvs"][0]
    # -9999 in the file.
    assert np.isnan(columns["rvs_spec_sig_to_noise"][0])
    assert np.isnan(columns["vbroad"][0])


def test_gaia_source_vizier_names(real_data: Path, read: Read) -> None:
    path = real_data / "gaia_source/gaia_dr3_vizier_I355_omegacen_180rows.fits"
    columns = read(path, "gaia_source").columns
    assert np.isfinite(columns["ruwe"]).sum() == np.isfinite(columns["parallax"]).sum() == 166
    assert np.isnan(columns["rvs_spec_sig_to_noise"]).all()
    star = columns["source_id"].tolist().index(6083508917795051648)
    assert columns["phot_g_mean_mag"][star] == np.float32(14.434807)
    assert columns["phot_g_mean_flux_over_error"][star] == np.float32(3756.33)
    # Gaia's velocity and position, not the spectroscopic survey's that the table was joined with.
    assert columns["radial_velocity"][star] == np.float32(210.78)
    assert columns["ra"][star] == pytest.approx(201.7231081, abs=1e-7)
    # VizieR's null of a short integer, and columns that it does not have.
    assert np.ma.getmaskarray(columns["rv_nb_transits"]).any()
    assert np.ma.getmaskarray(columns["has_rvs"]).all()


def test_gspspec_flags_keep_their_zeros(real_data: Path, read: Read) -> None:
    columns = read(real_data / "gaia_source/gspspec_odette_1row.vot", "astrophysical_parameters").columns
    assert columns["flags_gspspec"].tolist() == ["00000000000000000000000009900000099999995"]
    values = [float(columns[f"{name}_gspspec"][0]) for name in ("teff", "logg", "mh", "alphafe")]
    assert values == pytest.approx([5812, 4.05, 0.03, 0.05])
    assert columns["classlabel_espels"].tolist() == [None]


def test_apogee_labels_flags_and_nulls(real_data: Path, read: Read) -> None:
    columns = read(real_data / "apogee/allstarlite_dr17_x_montalban2021_95rows.fits", "apogee").columns
    names = columns["apogee_id"].tolist()
    star = {name: values[names.index("2M19261694+3745527")] for name, values in columns.items()}
    assert (star["telescope"], star["snr"], star["starflag"], star["extratarg"]) == (
        "apo25m",
        np.float32(142.11662),
        512,
        1,
    )
    assert (star["teff"], star["teff_err"]) == (np.float32(4800.777), np.float32(10.823865))
    assert (star["m_h"], star["alpha_m"], star["fe_h"]) == tuple(map(np.float32, (-0.62292, 0.267705, -0.64612)))
    assert (star["gaiaedr3_source_id"], star["aspcapflag"], star["fe_h_flag"]) == (2052553983024456192, 64, 0)
    flags = columns["aspcapflag"]
    assert np.count_nonzero(flags) == 55
    assert np.count_nonzero(flags & (1 << 6)) == 53
    bad = names.index("2M19441360+4546111")
    assert flags[bad] == 2199031644224 == (1 << 41) | (1 << 23) | (1 << 6)
    for name in ("teff", "logg", "m_h", "alpha_m", "fe_h"):
        assert np.flatnonzero(np.isnan(columns[name])).tolist() == [bad]


def test_galah_subset_lacks_the_alpha_columns(real_data: Path, release: Release, read: Read) -> None:
    path = real_data / "galah/galah_dr3_allstar_m67_lite_813rows.csv"
    columns = read(path, "galah").columns
    assert columns["star_id"][0] == "08520715+1149254"
    assert (columns["sobject_id"][0], columns["dr3_source_id"][0]) == (131217003901002, 604906737317927296)
    assert columns["teff"][0] == np.float32(6025.804)
    assert columns["snr_c2_iraf"][0] == np.float32(48.8591878178)
    assert np.isnan(columns["teff"]).sum() == 11
    assert np.isnan(columns["fe_h"]).sum() == 39
    assert np.isnan(columns["alpha_fe"]).all()
    assert np.ma.getmaskarray(columns["flag_alpha_fe"]).all()
    survey = open_survey(path, "galah", release)
    list(survey.batches())
    assert any("flag_guess, alpha_fe" in notice and "null" in notice for notice in survey.notices.texts)


def test_apo_k2(real_data: Path, read: Read) -> None:
    columns = read(real_data / "k2gap/apo_k2_catalog_7672rows.csv", "k2gap").columns
    assert len(set(columns["gaia_source"].tolist())) == 7672
    assert (columns["teff"].min(), columns["teff"].max()) == (3726, 6232)
    assert (round(float(columns["numax"].min()), 2), round(float(columns["numax"].max()))) == (3.65, 257)
    assert np.isnan(columns["dnu"]).sum() == 221
    star = columns["epic"].tolist().index(211705076)
    assert columns["campaign"][star] == "[5, 16, 18]"
    assert (columns["ra"][star], columns["dec"][star]) == (129.439, 15.982)
    assert (columns["apogee_id"][star], columns["evolution"][star]) == ("2M08374542+1558546", "RGB")
    assert (columns["numax"][star], columns["dnu_err"][star]) == (np.float32(98.01), np.float32(0.091))


def test_warfield_machine_readable_table(real_data: Path, read: Read) -> None:
    columns = read(real_data / "k2gap/warfield2024_t1_apok2_rgb_ages_mrt.txt", "k2gap").columns
    assert (columns["epic"][0], columns["gaia_source"][0]) == (211821580, 662088729307609216)
    # e_Age and E_Age differ by case only; calibrated and uncalibrated Teff by a suffix.
    assert (columns["teff"][0], columns["teff_err"][0], columns["logg"][0]) == (4795, 9, np.float32(2.43))
    assert (columns["numax"][0], columns["numax_err"][0]) == (np.float32(34.4), np.float32(0.9))
    apo_k2 = read(real_data / "k2gap/apo_k2_catalog_7672rows.csv", "k2gap").columns
    # By Gaia id: one star has another EPIC number there.
    assert set(columns["gaia_source"].tolist()) <= set(apo_k2["gaia_source"].tolist())
    assert len(set(columns["epic"].tolist()) - set(apo_k2["epic"].tolist())) == 1


def test_warfield_metal_poor_table_has_no_calibrated_teff(real_data: Path, read: Read) -> None:
    columns = read(real_data / "k2gap/warfield2024_t4_apok2_lowfeh_ages_mrt.txt", "k2gap").columns
    assert np.isnan(columns["teff"]).all()
    assert np.isfinite(columns["numax"]).all()


def test_starhorse_ids_are_text(real_data: Path, read: Read) -> None:
    batch = read(real_data / "k2gap/k2_galah_zinn2022_x_starhorse_1347rows.fits", "starhorse")
    columns = batch.columns
    assert columns["source_id"][0] == 2554396309982001536
    assert columns["dist50"][0] == np.float32(0.73900783)
    assert columns["av50"][0] == np.float32(0.09331309)
    assert np.isfinite(columns["dist50"]).all()
    assert {rejection.rule for rejection in batch.rejections} == {"source_id"}
    reasons = Counter(rejection.reason for rejection in batch.rejections)
    assert sorted(reasons.values()) == [1, 30]


def test_cluster_members_of_dr3(real_data: Path, read: Read) -> None:
    columns = read(real_data / "clusters/oc_members_gaiadr3_mh_gspspec_2174rows.fits", "clusters").columns
    members = Counter(columns["cluster"].tolist())
    assert len(members) == 705
    assert (members["NGC_2682"], members["Melotte_25"], members["NGC_2632"]) == (36, 28, 16)
    assert set(columns["gaia_release"]) == {"dr3"}
    assert (columns["cluster"][0], columns["source_id"][0]) == ("ASCC_10", 221281628533184000)


def test_cluster_members_of_dr2_are_marked(real_data: Path, read: Read) -> None:
    columns = read(real_data / "clusters/cantatgaudin2020_members/IC_2391.txt", "clusters").columns
    assert set(columns["gaia_release"]) == {"dr2"}
    assert set(columns["cluster"]) == {"IC_2391"}
    assert columns["source_id"][0] == 5318412686452956800
    assert columns["proba"][0] == 1.0
