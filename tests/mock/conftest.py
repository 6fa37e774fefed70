"""A small synthetic sky on disk, and what is in it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from catalog.mock import write_sky
from catalog.mock.observation import observe
from catalog.mock.stars import draw_stars
from catalog.profiles.model import MockSettings
from catalog.releases import Release, load_release

SETTINGS = MockSettings(n_stars=300, n_files=2, seed=11)


@pytest.fixture(scope="session")
def release() -> Release:
    return load_release("dr3")


@pytest.fixture(scope="session")
def mock() -> MockSettings:
    return SETTINGS


@pytest.fixture(scope="session")
def stars(mock: MockSettings) -> pd.DataFrame:
    """The table from which all files are made."""
    return observe(mock.seed, draw_stars(mock))


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory, mock: MockSettings, release: Release) -> Path:
    """Folder of a written sky: not to be changed by a test."""
    folder = tmp_path_factory.mktemp("surveys") / "dr3-mock"
    write_sky(folder, mock, release)
    return folder


@pytest.fixture(scope="session")
def read_bulk() -> Callable[..., pd.DataFrame]:
    """Read all bulk files of a product with pandas, which knows nothing of the project."""

    def read(folder: Path, columns: list[str] | None = None) -> pd.DataFrame:
        texts = {"flags_gspspec": str, "classlabel_espels": str}
        parts = [
            pd.read_csv(path, comment="#", na_values="null", keep_default_na=False, usecols=columns, dtype=texts)
            for path in sorted(folder.glob("*.csv.gz"))
        ]
        return pd.concat(parts, ignore_index=True)

    return read
