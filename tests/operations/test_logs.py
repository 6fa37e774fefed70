"""The log: what is in it, and what never is."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from catalog import stages
from catalog.database.ledger import Run
from catalog.errors import SampleError
from catalog.operations import logs
from catalog.operations.logs import start_log
from catalog.operations.secrets import mask
from catalog.settings import Settings

SECRET = "hunter2:x@y"
URL = f"postgresql://me:{SECRET}@db.example:5432/rvscat"


@pytest.fixture
def log(settings: Settings) -> Iterator[Path]:
    before = {name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in logs.LOGGERS}
    file = start_log(settings)
    assert file is not None
    yield file
    for name, (level, handlers) in before.items():
        logger = logging.getLogger(name)
        for handler in set(logger.handlers) - set(handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(level)


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        f"cannot connect to {URL}",
        f"{URL}?sslmode=require and {URL}",
        "host=db password=hunter2 user=me",
        "postgresql://db/rvscat?user=me&password=hunter2&sslmode=require",
        "{'password': 'hunter2'}",
        "PREFECT_API_AUTH_STRING=admin:hunter2",
        "Authorization: Bearer hunter2hunter2",
        "http://admin:hunter2@prefect:4200/api",
    ],
)
def test_secrets_are_masked_wherever_they_stand(text: str) -> None:
    assert "hunter2" not in mask(text)
    assert "***" in mask(text)


def test_what_holds_no_secret_stays_as_it_is() -> None:
    text = "12:30 star 5@6 of https://gea.esac.esa.int:443/tap?QUERY=SELECT postgresql://db:5432/x, me@db.example"
    assert mask(text) == text


def test_the_very_password_is_masked_without_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_DATABASE_URL", "postgresql://me:s3cret%21word@db/rvscat")
    assert mask("FATAL: s3cret!word and s3cret%21word are wrong") == "FATAL: *** and *** are wrong"


def test_tracebacks_extras_and_arguments_are_masked(log: Path) -> None:
    logger = logging.getLogger("catalog.somewhere")
    try:
        raise RuntimeError(f"cannot reach {URL}")
    except RuntimeError:
        logger.exception("failed at %s", URL, extra={"counts": {"url": URL}, "remedy": f"look at {URL}"})
    (line,) = lines(log)
    assert "hunter2" not in log.read_text()
    assert "x@y" not in log.read_text()
    assert "RuntimeError" in str(line["traceback"])
    assert line["remedy"] == "look at postgresql://me:***@db.example:5432/rvscat"


def test_stages_are_logged_with_their_counts_and_errors_with_their_remedy(
    log: Path, connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    stages.run_stage(connection, run, "mock", settings)
    with pytest.raises(SampleError):
        stages.run_stage(connection, run, "train", settings)
    begins, done, _, failed = lines(log)
    assert begins["message"] == "stage begins"
    assert (done["run_id"], done["stage"], done["skipped"]) == (run.run_id, "mock", False)
    assert done["counts"]["rvs_mean_spectrum"] > 100  # type: ignore[index]
    assert done["duration_s"] > 0  # type: ignore[operator]
    assert failed["level"] == "ERROR"
    assert failed["stage"] == "train"
    assert "rvscat run" in str(failed["remedy"])


def test_a_level_leaves_the_lesser_out_and_off_writes_nothing(settings: Settings) -> None:
    assert start_log(settings.model_copy(update={"log_level": "OFF"})) is None
    assert not (settings.home / "logs").exists()


def test_files_turn_over_and_old_ones_go(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = next(each for each in logging.getLogger("catalog").handlers if isinstance(each, logs._LogFile))
    handler.maxBytes = 2_000
    for number in range(100):
        logging.getLogger("catalog.x").info("record %d of many", number)
    assert len(list(log.parent.glob(f"{log.name}*"))) == 1 + handler.backupCount
    monkeypatch.setattr(logs, "_DAYS", -1.0)
    logs._remove_old(log.parent)
    assert list(log.parent.iterdir()) == []


def test_a_command_shows_an_error_once_and_logs_it(settings: Settings) -> None:
    code = "from catalog.cli import main; main()"
    arguments = [sys.executable, "-c", code, "sample", "--profile", "nothing"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    assert result.stderr.count("Unknown profile") == 1
    (file,) = (settings.home / "logs").iterdir()
    (line,) = lines(file)
    assert "Unknown profile" in str(line["message"])


def test_a_log_that_cannot_be_written_stops_nothing(settings: Settings) -> None:
    (settings.home / "logs").write_text("a file is in the way")
    code = "from catalog.cli import main; main()"
    arguments = [sys.executable, "-c", code, "sample", "--profile", "nothing"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    assert "Unknown profile" in result.stderr
    assert "Traceback" not in result.stderr
