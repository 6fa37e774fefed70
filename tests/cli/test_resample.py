"""`rvscat resample`, and profiles that name a release which is only announced."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from catalog.cli.main import cli
from catalog.errors import ConfigurationError
from catalog.settings import Settings

GRIDS = ["--from", "dr4-draft:rvs_epoch_spectrum", "--to", "dr3"]


@pytest.fixture
def epochs(tmp_path: Path) -> str:
    path = tmp_path / "epochs.fits"
    flux = np.ones((3, 961), np.float32)
    error = np.full((3, 961), 0.02, np.float32)
    Table({"source_id": [11, 12, 13], "flux": flux, "flux_error": error, "rv": [1.0, np.nan, 3.0]}).write(path)
    return str(path)


def test_spectra_are_resampled_and_the_draft_is_told(epochs: str, tmp_path: Path) -> None:
    output = tmp_path / "out.fits"
    arguments = ["resample", epochs, str(output), *GRIDS, "--velocity-column", "rv"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "out.fits: 2 spectra on the grid of dr3." in result.stdout
    assert "1 set aside (velocity): row 2, 12: no radial velocity" in result.stdout
    assert "Gaia DR4 is not published yet" in result.stderr
    assert Table.read(output)["source_id"].tolist() == [11, 13]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "--overwrite" in result.output
    result = CliRunner().invoke(cli, [*arguments, "--overwrite", "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["n_spectra"] == 2


def test_velocities_exclude_each_other(epochs: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli, ["resample", epochs, str(tmp_path / "o.fits"), *GRIDS, "--velocity", "3", "--keep-frame"]
    )
    assert result.exit_code == 2
    assert "Give one of" in result.output


def test_a_profile_uses_a_draft_knowingly_or_not_at_all(settings: Settings, tmp_path: Path) -> None:
    profile = tmp_path / "next.toml"
    profile.write_text('description = "x"\nrelease = "dr4"\n[mock]\nn_stars = 50\n')
    with pytest.raises(ConfigurationError, match="give the release as dr4-draft"):
        CliRunner().invoke(cli, ["mock", "--profile", str(profile)], catch_exceptions=False)
    assert "No run yet" in CliRunner().invoke(cli, ["status"], catch_exceptions=False).output
    profile = tmp_path / "knowingly.toml"
    profile.write_text('description = "x"\nrelease = "dr4-draft"\n[mock]\nn_stars = 50\n')
    result = CliRunner().invoke(cli, ["mock", "--profile", str(profile)])
    assert isinstance(result.exception, ConfigurationError)
    assert "grid of rvs_mean_spectrum is not known" in str(result.exception)
    assert "Note: Gaia DR4 is not published yet" in result.output
    assert not list(settings.surveys.glob("*/*"))
