"""RVS spectra in forms of which no real file was found, made after the archive's documentation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable.tree import Param, VOTableFile
from astropy.table import Table

from catalog.errors import FormatError
from catalog.surveys.batch import SurveyBatch
from tests.surveys.files import FIRST_ID, N_PIXELS, pixel_rows, spectra, write_bulk

Read = Callable[[Path, str], SurveyBatch]
RVS = "rvs_mean_spectrum"


def check(batch: SurveyBatch, columns: dict[str, object], stars: list[int]) -> None:
    assert batch.columns["source_id"].tolist() == [FIRST_ID + star for star in stars]
    for name in ("flux", "flux_error"):
        assert batch.columns[name].dtype == np.float32
        np.testing.assert_array_equal(batch.columns[name], np.stack(columns[name])[stars])  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_bulk(tmp_path: Path, read: Read, name: str) -> None:
    columns = spectra(5)
    batch = read(write_bulk(tmp_path / name, RVS, columns), RVS)
    check(batch, columns, [0, 1, 2, 3, 4])
    assert batch.columns["combined_ccds"].tolist() == [27] * 5


def test_bulk_columns_in_another_order(tmp_path: Path, read: Read) -> None:
    columns = spectra(3)
    turned = dict(reversed(columns.items()))
    check(read(write_bulk(tmp_path / "a.csv.gz", RVS, turned), RVS), columns, [0, 1, 2])


def test_bulk_column_names_in_capitals(tmp_path: Path, read: Read) -> None:
    columns = spectra(2)
    capitals = {name.upper(): values for name, values in columns.items()}
    check(read(write_bulk(tmp_path / "a.csv.gz", RVS, capitals), RVS), columns, [0, 1])


def test_batches_are_sorted_by_source_id(tmp_path: Path, read: Read) -> None:
    columns = spectra(4)
    shuffled = {name: [values[i] for i in (2, 0, 3, 1)] for name, values in columns.items()}
    batch = read(write_bulk(tmp_path / "a.csv.gz", RVS, shuffled), RVS)
    check(batch, columns, [0, 1, 2, 3])
    assert batch.row_number.tolist() == [2, 4, 1, 3]


def individual_csv(columns: dict[str, list[object]], stars: list[int]) -> str:
    lines = ["source_id,wavelength,flux,flux_error,combined_transits,combined_ccds,deblended_ccds"]
    for star in stars:
        for wavelength, flux, error in zip(*pixel_rows(columns, star), strict=True):
            values = "," if np.isnan(flux) else f"{flux},{error}"
            lines.append(f"{columns['source_id'][star]},{wavelength:.2f},{values},9,27,0")
    return "\n".join(lines) + "\n"


def test_pixel_rows_of_several_stars(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = spectra(3)
    path = tmp_path / "a.csv"
    path.write_text(individual_csv(columns, [0, 1, 2]))
    for size in (16 << 20, 30_000):
        monkeypatch.setattr("catalog.surveys.formats.text.BLOCK_BYTES", size)
        batch = read(path, RVS)
        check(batch, columns, [0, 1, 2])
        assert batch.row_number.tolist() == [1, 1 + N_PIXELS, 1 + 2 * N_PIXELS]
        assert batch.columns["combined_transits"].tolist() == [9, 9, 9]


def test_pixel_rows_of_which_one_star_lacks_a_pixel(tmp_path: Path, read: Read) -> None:
    columns = spectra(2)
    lines = individual_csv(columns, [0, 1]).splitlines()
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines[:100] + lines[101:]) + "\n")
    batch = read(path, RVS)
    check(batch, columns, [1])
    [rejection] = batch.rejections
    assert (rejection.rule, rejection.identifier, rejection.row_number) == ("n_pixels", str(FIRST_ID), 1)


def test_a_bad_pixel_row_refuses_the_file(tmp_path: Path, read: Read) -> None:
    text = individual_csv(spectra(1), [0]).replace(",847.00,", ",847.00,oops", 1)
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"a\.csv, row 101: flux: 'oops"):
        read(path, RVS)


def single_table(columns: dict[str, list[object]], star: int) -> Table:
    wavelength, flux, error = pixel_rows(columns, star)
    return Table({"wavelength": wavelength, "flux": flux, "flux_error": error})


def test_individual_ecsv(tmp_path: Path, read: Read) -> None:
    columns = spectra(1)
    head = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"
    for name, kind in (("wavelength", "float64"), ("flux", "float32"), ("flux_error", "float32")):
        head += f"# -\n#   name: {name}\n#   datatype: {kind}\n"
    head += f"# meta:\n#   source_id: {FIRST_ID}\n#   combined_transits: 9\n#   combined_ccds: 27\n"
    rows = "".join(f"{w},{f},{e}\n" for w, f, e in zip(*pixel_rows(columns, 0), strict=True))
    path = tmp_path / "a.ecsv"
    path.write_text(head + "wavelength,flux,flux_error\n" + rows)
    batch = read(path, RVS)
    check(batch, columns, [0])
    assert batch.columns["combined_ccds"].tolist() == [27]
    assert batch.columns["deblended_ccds"].tolist() == [None]


@pytest.mark.parametrize("form", ["tabledata", "binary2"])
def test_individual_votable(tmp_path: Path, read: Read, form: str) -> None:
    columns = spectra(1)
    document = VOTableFile.from_table(single_table(columns, 0))
    element = document.get_first_table()
    for name, value in (("source_id", FIRST_ID), ("combined_transits", 9)):
        element.params.append(Param(document, name=name, datatype="long", value=str(value)))
    path = tmp_path / "a.xml"
    document.to_xml(str(path), tabledata_format=form)
    batch = read(path, RVS)
    check(batch, columns, [0])
    assert batch.columns["combined_transits"].tolist() == [9]


def individual_hdu(columns: dict[str, list[object]], star: int) -> fits.BinTableHDU:
    hdu = fits.BinTableHDU(single_table(columns, star))
    hdu.header["SOURCEID"] = str(columns["source_id"][star])
    hdu.header["NTRANSIT"] = "9"
    return hdu


def test_several_tables_in_one_fits(tmp_path: Path, read: Read) -> None:
    columns = spectra(3)
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), *(individual_hdu(columns, star) for star in range(3))]).writeto(path)
    batch = read(path, RVS)
    check(batch, columns, [0, 1, 2])
    assert len(set(batch.row_number.tolist())) == 3


@pytest.mark.parametrize("suffix", ["fits", "vot"])
def test_one_row_a_star_in_binary_forms(tmp_path: Path, read: Read, suffix: str) -> None:
    columns = spectra(3)
    table = Table({name: np.stack(values) if name.startswith("flux") else values for name, values in columns.items()})
    path = tmp_path / f"a.{suffix}"
    table.write(path, format="votable" if suffix == "vot" else "fits")
    check(read(path, RVS), columns, [0, 1, 2])


def test_arrays_of_varying_length_in_fits(tmp_path: Path, read: Read) -> None:
    columns = spectra(3)
    rows = {name: [values[:-1] if i == 1 else values for i, values in enumerate(columns[name])]
            for name in ("flux", "flux_error")}  # fmt: skip
    arrays = [fits.Column(name, "PE()", array=np.array(values, dtype=object)) for name, values in rows.items()]
    ids = fits.Column("source_id", "K", array=np.array(columns["source_id"]))
    path = tmp_path / "a.fits"
    fits.BinTableHDU.from_columns([*arrays, ids]).writeto(path)
    batch = read(path, RVS)
    check(batch, columns, [0, 2])
    assert [(row.row_number, row.rule, row.reason) for row in batch.rejections] == [
        (2, "n_pixels", "wrong number of pixels in flux: 2400, not 2401")
    ]


def test_a_spectrum_of_nobody_is_refused(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.fits"
    single_table(spectra(1), 0).write(path)
    with pytest.raises(FormatError, match="does not say whose spectrum it is"):
        read(path, RVS)


@pytest.mark.parametrize("shift", [0.005, -0.02, np.nan], ids=["half a pixel", "two pixels", "nan"])
def test_another_wavelength_grid_is_refused(tmp_path: Path, read: Read, shift: float) -> None:
    hdu = individual_hdu(spectra(1), 0)
    hdu.data["wavelength"][1200:] += shift
    path = tmp_path / "a.fits"
    hdu.writeto(path)
    with pytest.raises(FormatError, match="where the grid has") as caught:
        read(path, RVS)
    assert "at pixel 1200" in caught.value.message or np.isfinite(shift)


def test_wavelengths_may_be_rounded(tmp_path: Path, read: Read) -> None:
    columns = spectra(1)
    hdu = individual_hdu(columns, 0)
    hdu.data["wavelength"][:] = hdu.data["wavelength"].astype(np.float32)
    path = tmp_path / "a.fits"
    hdu.writeto(path)
    check(read(path, RVS), columns, [0])
