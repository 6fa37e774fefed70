"""Bad rows are set aside with row, rule and reason; bad files are refused with what to do about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from catalog.errors import FormatError, NotFoundError
from catalog.releases import Release
from catalog.surveys import open_survey
from catalog.surveys.apogee import PRODUCT as APOGEE
from catalog.surveys.batch import SurveyBatch
from tests.surveys.files import FIRST_ID, bulk_text, gaia_sources, spectra, write_bulk, xp_coefficients

Read = Callable[[Path, str], SurveyBatch]
RVS, XP, GAIA = "rvs_mean_spectrum", "xp_continuous_mean_spectrum", "gaia_source"


def reasons(batch: SurveyBatch) -> list[tuple[int, str, str | None]]:
    return [
        (row.row_number, row.rule, row.identifier) for row in sorted(batch.rejections, key=lambda row: row.row_number)
    ]


def test_spectrum_of_2400_pixels_is_set_aside(tmp_path: Path, read: Read) -> None:
    columns = spectra(4)
    columns["flux"][2] = columns["flux"][2][:-1]
    columns["flux_error"][3] = columns["flux_error"][3][:-1]
    batch = read(write_bulk(tmp_path / "a.csv.gz", RVS, columns), RVS)
    assert batch.columns["source_id"].tolist() == [FIRST_ID, FIRST_ID + 1]
    assert reasons(batch) == [(3, "n_pixels", str(FIRST_ID + 2)), (4, "n_pixels", str(FIRST_ID + 3))]
    assert batch.rejections[0].reason == "wrong number of pixels in flux: 2400, not 2401"


def test_file_of_another_pixel_grid_is_refused(tmp_path: Path, read: Read) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3, n_pixels=961))
    with pytest.raises(FormatError, match=r"a\.csv\.gz holds no .* release dr3: wrong number of pixels: 961, not 2401"):
        read(path, RVS)


def test_spectrum_without_any_flux_is_set_aside(tmp_path: Path, read: Read) -> None:
    columns = spectra(3)
    columns["flux"][1] = np.full(2401, np.nan, dtype=np.float32)
    batch = read(write_bulk(tmp_path / "a.csv.gz", RVS, columns), RVS)
    assert reasons(batch) == [(2, "all_nan", str(FIRST_ID + 1))]


def test_null_and_garbled_spectra_are_set_aside(tmp_path: Path, read: Read) -> None:
    columns = spectra(4)
    columns["flux"][0] = None
    columns["flux"][1] = "[0.9,oops" + ",1.0" * 2399 + "]"
    columns["flux"][2] = columns["flux"][2].copy()
    columns["flux"][2][7] = np.inf
    batch = read(write_bulk(tmp_path / "a.csv.gz", RVS, columns), RVS)
    assert [row[:2] for row in reasons(batch)] == [(1, "n_pixels"), (2, "unparsable"), (3, "not_finite")]


def test_missing_identifiers_are_set_aside(tmp_path: Path, read: Read) -> None:
    columns = spectra(4)
    columns["source_id"][:3] = [None, 0, -5]
    batch = read(write_bulk(tmp_path / "a.csv.gz", RVS, columns), RVS)
    assert len(batch) == 1
    assert reasons(batch) == [(1, "source_id", None), (2, "source_id", "0"), (3, "source_id", "-5")]


def test_unparsable_number_costs_one_row(tmp_path: Path, read: Read) -> None:
    columns = gaia_sources(4)
    columns["parallax"] = ["1.5"] * 4
    text = bulk_text(GAIA, columns).replace('"1.5"', "1.5").replace("1.5", "1.5mas", 1)
    path = tmp_path / "a.csv"
    path.write_text(text)
    batch = read(path, GAIA)
    assert len(batch) == 3
    [rejection] = batch.rejections
    assert (rejection.rule, rejection.row_number) == ("unparsable", 1)
    assert "1.5mas" in rejection.reason


def test_positions_outside_the_sphere_are_set_aside(tmp_path: Path, read: Read) -> None:
    columns = gaia_sources(6)
    columns["ra"] = [0.0, 360.0, -0.1, None, 10.0, 359.9]
    columns["dec"] = [-90.0, 0.0, 0.0, 0.0, 90.1, 90.0]
    batch = read(write_bulk(tmp_path / "a.csv.gz", GAIA, columns), GAIA)
    assert batch.row_number.tolist() == [1, 6]
    assert {row.rule for row in batch.rejections} == {"position"}


def test_number_too_large_for_its_column_is_set_aside(tmp_path: Path, read: Read) -> None:
    columns = gaia_sources(2)
    columns["rv_nb_transits"] = [17, 40_000]
    batch = read(write_bulk(tmp_path / "a.csv.gz", GAIA, columns), GAIA)
    assert reasons(batch) == [(2, "unparsable", str(FIRST_ID + 1))]
    assert batch.rejections[0].reason == "rv_nb_transits: '40000' is no smallint"


def test_nulls_stay_null(tmp_path: Path, read: Read) -> None:
    columns = gaia_sources(2)
    for name in ("parallax", "ruwe", "rv_nb_transits", "has_rvs", "phot_variable_flag"):
        columns[name] = [None, columns[name][1]]
    values = read(write_bulk(tmp_path / "a.csv.gz", GAIA, columns), GAIA).columns
    assert np.isnan(values["parallax"]).tolist() == np.isnan(values["ruwe"]).tolist() == [True, False]
    assert values["rv_nb_transits"].tolist() == [None, 3]
    assert values["has_rvs"].tolist() == [None, False]
    assert values["phot_variable_flag"].tolist() == [None, "NOT_AVAILABLE"]


@pytest.mark.parametrize("missing", ["source_id", "flux", "flux_error", "combined_transits"])
def test_bulk_file_that_lacks_a_column_is_refused(tmp_path: Path, read: Read, missing: str) -> None:
    columns = spectra(2)
    del columns[missing]
    path = write_bulk(tmp_path / "a.csv.gz", RVS, columns)
    with pytest.raises(FormatError, match=rf"a\.csv\.gz \(bulk ECSV\) lacks {missing}"):
        read(path, RVS)


def test_other_files_may_lack_what_is_not_essential(tmp_path: Path, release: Release) -> None:
    path = tmp_path / "a.csv"
    path.write_text("source_id,ra,dec,colour\n12,1.5,2.5,red\n")
    survey = open_survey(path, GAIA, release)
    [batch] = survey.batches()
    assert np.isnan(batch.columns["ruwe"]).all()
    lacking, unused = survey.notices.sentences
    assert "null because the file lacks them: solution_id" in lacking
    assert unused == "columns not used: 1 (colour)"


def test_names_that_differ_by_case_only_are_refused(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Source_ID,SOURCE_id,ra,dec\n1,2,1.5,2.5\n")
    with pytest.raises(FormatError, match="differ by case only"):
        read(path, GAIA)


def test_header_of_another_table_is_noticed(tmp_path: Path, release: Release) -> None:
    survey = open_survey(write_bulk(tmp_path / "a.csv", "epoch_spectrum", spectra(1)), RVS, release)
    assert len(list(survey.batches())) == 1
    assert any("TABLE: epoch_spectrum" in notice for notice in survey.notices.texts)


@pytest.mark.parametrize("product", [RVS, XP, GAIA])
def test_header_without_rows_is_refused(tmp_path: Path, release: Release, product: str) -> None:
    columns = {RVS: spectra, XP: xp_coefficients, GAIA: gaia_sources}[product](0)
    path = write_bulk(tmp_path / "a.csv.gz", product, columns)
    with pytest.raises(FormatError, match="a header and no rows"):
        next(open_survey(path, product, release).batches())


def test_unknown_product(tmp_path: Path, release: Release) -> None:
    with pytest.raises(NotFoundError, match="Unknown survey product 'spectra'"):
        open_survey(tmp_path / "a.csv", "spectra", release)


def test_star_without_bp_is_kept(tmp_path: Path, read: Read) -> None:
    columns = xp_coefficients(3)
    columns["bp_coefficients"][1] = None
    columns["bp_n_relevant_bases"][1] = None
    batch = read(write_bulk(tmp_path / "a.csv.gz", XP, columns), XP)
    assert len(batch) == 3
    assert np.ma.getmaskarray(batch.columns["bp_coefficients"]).all(axis=1).tolist() == [False, True, False]
    np.testing.assert_array_equal(batch.columns["rp_coefficients"], np.stack(columns["rp_coefficients"]))
    assert batch.columns["bp_n_relevant_bases"].tolist() == [7, None, 7]


def test_xp_arrays_of_wrong_length_or_not_finite_are_set_aside(tmp_path: Path, read: Read) -> None:
    columns = xp_coefficients(4)
    columns["rp_coefficients"][0] = np.zeros(54)
    columns["bp_coefficients"][1] = np.zeros(56)
    columns["bp_coefficients"][2] = np.append(np.zeros(54), np.nan)
    batch = read(write_bulk(tmp_path / "a.csv.gz", XP, columns), XP)
    assert batch.row_number.tolist() == [4]
    assert [row[:2] for row in reasons(batch)] == [(1, "xp_length"), (2, "xp_length"), (3, "not_finite")]


def apogee_table(**changes: Any) -> Table:
    columns: dict[str, Any] = {}
    for column in APOGEE.columns:
        kinds = {"text": ["2M19261694+3745527   "] * 3, "double": [10.0] * 3, "real": np.ones(3, dtype=np.float32)}
        columns[column.name.upper()] = kinds.get(column.kind, np.array([7, 8, 9]))
    return Table(columns | changes)


def test_apogee_sentinels(tmp_path: Path, read: Read) -> None:
    table = apogee_table(
        GAIAEDR3_SOURCE_ID=np.array([0, -9999, 2052553983024456192]),
        TEFF=np.array([-9999.0, np.nan, 4800.5], dtype=np.float32),
        LOGG=np.array([-999.0, -9999.99, 2.5], dtype=np.float32),
        RA=np.array([-9999.0, -999.0, 12.5]),
        ASPCAPFLAG=np.array([2199031644224, 0, 1 << 62]),
        FE_H_FLAG=np.array([0, -9999, 64], dtype=np.int32),
        TELESCOPE=["apo25m", "      ", "lco25m"],
    )
    table.write(tmp_path / "a.fits")
    values = read(tmp_path / "a.fits", "apogee").columns
    assert values["gaiaedr3_source_id"].tolist() == [None, None, 2052553983024456192]
    for name in ("teff", "logg", "ra"):
        assert np.isnan(values[name]).tolist() == [True, True, False]
    assert values["aspcapflag"].tolist() == [2199031644224, 0, 1 << 62]
    assert values["fe_h_flag"].tolist() == [0, None, 64]
    assert values["telescope"].tolist() == ["apo25m", None, "lco25m"]
    assert values["apogee_id"].tolist() == ["2M19261694+3745527"] * 3


def test_apogee_rows_without_a_name_are_set_aside(tmp_path: Path, read: Read) -> None:
    apogee_table(APOGEE_ID=["a", "   ", "c"]).write(tmp_path / "a.fits")
    assert reasons(read(tmp_path / "a.fits", "apogee")) == [(2, "identifier", None)]


def test_galah_fits_nulls(tmp_path: Path, read: Read) -> None:
    lowest = -(2**63)
    columns = [
        fits.Column("sobject_id", "K", null=999999, array=np.array([131217003901002, 999999, 131217003901003])),
        # The keyword TNULL is there only when the writer found a null.
        fits.Column("dr3_source_id", "K", array=np.array([604906737317927296, 1, lowest])),
        fits.Column("flag_sp", "K", null=lowest, array=np.array([0, 0, lowest])),
        *(fits.Column(name, "E", array=np.array([1.0, 2.0, np.nan])) for name in ("teff", "logg", "fe_h")),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    batch = read(tmp_path / "a.fits", "galah")
    assert reasons(batch) == [(2, "identifier", None)]
    assert batch.columns["dr3_source_id"].tolist() == [604906737317927296, None]
    assert batch.columns["flag_sp"].tolist() == [0, None]


def test_gspspec_flags_of_another_length_are_set_aside(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"source_id,teff_gspspec,flags_gspspec\n1,5000,{'0' * 41}\n2,5000,{'0' * 24}\n3,5000,\n")
    batch = read(path, "astrophysical_parameters")
    assert batch.row_number.tolist() == [1, 3]
    assert batch.columns["flags_gspspec"].tolist() == ["0" * 41, None]
    assert reasons(batch) == [(2, "flags_gspspec", "2")]
