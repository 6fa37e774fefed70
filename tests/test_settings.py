"""Where things are: environment before file before default, and clear errors."""

from pathlib import Path

import pytest

from catalog.errors import ConfigurationError
from catalog.settings import load_settings, mask_password


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("RVSCAT_DATABASE_URL", "RVSCAT_DATABASE_ACCOUNT", "RVSCAT_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    return tmp_path


def test_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rvscat.toml").write_text('database_url = "postgresql://file/db"\nworkers = 3\n')
    monkeypatch.setenv("RVSCAT_WORKERS", "5")
    settings = load_settings()
    assert settings.home == tmp_path
    assert settings.database_url == "postgresql://file/db"
    assert settings.workers == 5
    assert settings.reports == tmp_path / "reports"


@pytest.mark.parametrize(
    ("text", "words"),
    [("workers = = 3", "not valid TOML"), ("worker = 3", "worker"), ('workers = "many"', "workers")],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "rvscat.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        load_settings()


def test_other_databases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_DATABASE_URL", "sqlite:///a.db")
    with pytest.raises(ConfigurationError, match="postgresql://"):
        load_settings()


def test_passwords_are_masked() -> None:
    assert mask_password("postgresql://me:s3cret@host:5432/db") == "postgresql://me:***@host:5432/db"
    assert mask_password("postgresql://host/db?a=1&password=s3cret&b=2") == "postgresql://host/db?a=1&password=***&b=2"
    assert mask_password("postgresql://host/db") == "postgresql://host/db"
