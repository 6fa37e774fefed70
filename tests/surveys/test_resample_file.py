"""Resampled files: written whole, read by ingest, marked for what they are, refused on any other grid."""

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.io import fits
from astropy.table import Table

from catalog.errors import ConfigurationError, FormatError, NotFoundError
from catalog.releases import load_release
from catalog.surveys import open_survey, resample_file
from catalog.surveys.ingest import ingest_path
from catalog.surveys.resample import Resampler
from catalog.surveys.resample_file import grid_named

EPOCH = "dr4-draft:rvs_epoch_spectrum"
GRID = grid_named(EPOCH)


def resample(path: Path, output: Path, *arguments: Any, **keywords: Any) -> resample_file.Resampled:
    return resample_file.resample_file(path, output, *arguments, **keywords)


def write_epochs(path: Path, n: int = 5, **columns: Any) -> Table:
    rng = np.random.default_rng(3)
    table = Table(
        {
            "source_id": np.arange(n, 0, -1) * 10**12,
            "flux": rng.normal(1.0, 0.05, (n, GRID.n_pixels)).astype(np.float32),
            "flux_error": rng.uniform(0.01, 0.05, (n, GRID.n_pixels)).astype(np.float32),
            "combined_transits": np.arange(n, dtype=np.int16) + 3,
            "radial_velocity": np.linspace(-80.0, 120.0, n),
            **columns,
        }
    )
    table.write(path)
    return table


@pytest.fixture
def epochs(tmp_path: Path) -> Path:
    write_epochs(tmp_path / "epochs.fits")
    return tmp_path / "epochs.fits"


def test_a_resampled_file_is_read_like_any_other(epochs: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    output = tmp_path / "out.fits"
    result = resample(
        epochs, output, EPOCH, "dr3", "radial_velocity", lambda done, total, what="": seen.append(done / total)
    )
    assert (result.n_spectra, result.rejections, result.path) == (5, [], output)
    assert result.difference < 1e-6
    assert seen[-1] == 1.0
    assert {path.name for path in tmp_path.iterdir()} == {"epochs.fits", "out.fits"}
    survey = open_survey(output, "rvs_mean_spectrum", load_release("dr3"))
    (batch,) = survey.batches()
    original = Table.read(epochs)
    original.sort("source_id")
    np.testing.assert_array_equal(batch.columns["source_id"], original["source_id"])
    np.testing.assert_array_equal(batch.columns["combined_transits"], original["combined_transits"])
    assert np.ma.getmaskarray(batch.columns["combined_ccds"]).all()
    flux, error = Resampler(GRID.wavelength, load_release("dr3").rvs.wavelength)(
        *(np.asarray(original[name]) for name in ("flux", "flux_error", "radial_velocity"))
    )
    np.testing.assert_array_equal(batch.columns["flux"], flux)
    np.testing.assert_array_equal(batch.columns["flux_error"], error)
    with fits.open(output, checksum=True) as hdus:
        hdus.verify("exception")
        assert hdus[1].header["NAXIS2"] == 5
        assert hdus[1].header["RSSOURCE"] == EPOCH


def test_the_ledger_keeps_what_spectra_were_made_of(
    epochs: Path, tmp_path: Path, connection: psycopg.Connection
) -> None:
    resample(epochs, tmp_path / "out.fits", EPOCH, "dr3", 12.5)
    ingest_path(connection, tmp_path / "out.fits", "rvs_mean_spectrum", "dr3", load_release("dr3"))
    row = connection.execute(
        "SELECT f.message, octet_length(s.flux), count(*) FROM survey.rvs_spectrum s "
        "JOIN production.ingest_file f USING (file_id) GROUP BY 1, 2"
    ).fetchone()
    assert row is not None
    assert row[0].startswith(
        "resampled from 961 pixels of 0.025 nm from 846 nm (vacuum, barycentric frame) (radial velocity: 12.5 km/s); "
        "made of epochs.fits, SHA-256 "
    )
    assert row[1:] == (9604, 5)


def test_other_grids_refuse_it(epochs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.fits"
    resample(epochs, output, EPOCH, "dr3", keep_frame=True)
    with pytest.raises(FormatError, match=r"resampled to 2401 pixels .* barycentric frame.*dr3 has .* stellar rest"):
        list(open_survey(output, "rvs_mean_spectrum", load_release("dr3")).batches())
    with pytest.raises(FormatError, match="wrong number of pixels: 961, not 2401"):
        list(open_survey(epochs, "rvs_mean_spectrum", load_release("dr3")).batches())


def test_nothing_is_resampled_twice(epochs: Path, tmp_path: Path) -> None:
    resample(epochs, tmp_path / "out.fits", EPOCH, "dr3", 0.0)
    with pytest.raises(FormatError, match="resampled already"):
        resample(tmp_path / "out.fits", tmp_path / "again.fits", "dr3", EPOCH, keep_frame=True)
    assert not (tmp_path / "again.fits").exists()


def test_spectra_that_cannot_be_resampled_are_named(tmp_path: Path) -> None:
    flux = np.ones((5, GRID.n_pixels), np.float32)
    flux[3] = np.nan
    velocity = np.array([0.0, np.nan, 10.0, 20.0, 5e4])
    write_epochs(tmp_path / "in.fits", flux=flux, radial_velocity=velocity)
    result = resample(tmp_path / "in.fits", tmp_path / "out.fits", EPOCH, "dr3", "radial_velocity")
    assert result.n_spectra == 2
    assert sorted((rejection.row_number, rejection.rule) for rejection in result.rejections) == [
        (2, "velocity"), (4, "all_nan"), (5, "all_nan"),
    ]  # fmt: skip
    assert {rejection.identifier for rejection in result.rejections} == {
        "4000000000000", "2000000000000", "1000000000000",
    }  # fmt: skip
    write_epochs(tmp_path / "none.fits", radial_velocity=np.full(5, np.nan))
    with pytest.raises(FormatError, match=r"no spectrum that could be resampled.*no radial velocity"):
        resample(tmp_path / "none.fits", tmp_path / "no.fits", EPOCH, "dr3", "radial_velocity")
    assert not list(tmp_path.glob("no.fits*"))


def test_a_real_spectrum_of_one_row_a_pixel(real_data: Path, tmp_path: Path) -> None:
    file = real_data / "rvs" / "rvs_4268620287278693120_HD176650.csv"
    output = tmp_path / "coarse.fits"
    assert resample(file, output, "dr3", EPOCH, keep_frame=True).n_spectra == 1
    row = Table.read(output)[0]
    fine = Table.read(file)
    assert row["source_id"] == 4268620287278693120
    flux, error = (np.ma.filled(row[name], np.nan) for name in ("flux", "flux_error"))
    assert np.isnan(flux).sum() == 2
    # Two and a half pixels in one: 1, 1, 0.25 and 0.25 of them, or 0.75, 1 and 0.75.
    assert np.nanmedian(error) == pytest.approx(np.median(fine["flux_error"]) * 2.125**0.5 / 2.5, rel=0.02)
    assert np.nanmean(flux) == pytest.approx(np.mean(fine["flux"]), rel=1e-3)


def test_one_row_a_pixel_takes_one_velocity(tmp_path: Path) -> None:
    table = Table({"source_id": np.full(961, 7), "wavelength": GRID.wavelength})
    table["flux"], table["flux_error"], table["radial_velocity"] = np.ones(961), np.full(961, 0.1), np.zeros(961)
    table.write(tmp_path / "pixels.csv")
    with pytest.raises(FormatError, match=r"one row a pixel.*--velocity"):
        resample(tmp_path / "pixels.csv", tmp_path / "out.fits", EPOCH, "dr3", "radial_velocity")
    assert resample(tmp_path / "pixels.csv", tmp_path / "out.fits", EPOCH, "dr3", 4.0).n_spectra == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((EPOCH, "dr3"), ConfigurationError, "radial velocities"),
        (("dr4:rvs_epoch_spectrum", "dr3"), ConfigurationError, "give the release as dr4-draft"),
        (("dr4-draft", "dr3"), ConfigurationError, "grid of rvs_mean_spectrum is not known"),
        (("dr9", "dr3"), NotFoundError, "Unknown release"),
        (("dr3", "dr3"), FormatError, "wrong number of pixels: 961, not 2401"),
        ((EPOCH, "dr3", "no_such_column"), FormatError, "lacks no_such_column"),
    ],
)
def test_mistakes_are_named(
    epochs: Path, tmp_path: Path, arguments: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        resample(epochs, tmp_path / "out.fits", *arguments)
    assert not list(tmp_path.glob("out.fits*"))


def test_a_library_that_gives_other_values_stops_it(
    epochs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Resampler.by_library

    def other(self: Resampler, *arguments: Any) -> tuple[np.ndarray, np.ndarray]:
        flux, error = original(self, *arguments)
        return flux * 1.001, error

    monkeypatch.setattr(Resampler, "by_library", other)
    with pytest.raises(ConfigurationError, match=r"specutils .* gives other values .* differ by up to 0\.001"):
        resample(epochs, tmp_path / "out.fits", EPOCH, "dr3", 0.0)


def test_a_header_that_does_not_say_its_grid_is_refused(epochs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.fits"
    resample(epochs, output, EPOCH, "dr3", 0.0)
    fits.delval(output, "RSSTEP", ext=1)
    with pytest.raises(FormatError, match="does not say what grid"):
        list(open_survey(output, "rvs_mean_spectrum", load_release("dr3")).batches())
