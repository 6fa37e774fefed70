"""Which task runner a setting names, and what is said where there is none."""

from pathlib import Path

import pytest

from catalog.errors import ConfigurationError
from catalog.settings import Settings, load_settings
from catalog.tasks import task_runner
from flows import runners
from flows.distribution import distributed
from flows.runners import make_runner


def test_local_needs_no_runner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with distributed(settings):
        assert task_runner(settings) is None


def test_a_runner_that_is_set_and_not_in_place_is_an_error(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, task_runner="dask")
    with pytest.raises(ConfigurationError, match=r"'dask' is set \(RVSCAT_TASK_RUNNER\).*rvscat run"):
        task_runner(settings)
    with distributed(settings):
        assert task_runner(settings) is not None


def test_the_environment_names_the_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    (tmp_path / "rvscat.toml").write_text('dask_address = "tcp://here:8786"\n')
    monkeypatch.setenv("RVSCAT_TASK_RUNNER", "dask")
    assert (load_settings().task_runner, load_settings().dask_address) == ("dask", "tcp://here:8786")
    for name, value in (("TASK_RUNNER", "slurm"), ("TASK_RUNNER", "a:b:c"), ("DASK_ADDRESS", "here:8786")):
        with monkeypatch.context() as patch:
            patch.setenv(f"RVSCAT_{name}", value)
            with pytest.raises(ConfigurationError, match=name.lower()):
                load_settings()


def test_dask_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"needs prefect-dask and distributed.*pip install 'rvscat\[dask\]'"):
        make_runner(Settings(home=tmp_path, task_runner="dask"))


def test_no_scheduler_at_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_dask", reason="rvscat[dask] is not installed")
    monkeypatch.setattr(runners, "_CONNECT_SECONDS", 0.3)
    settings = Settings(home=tmp_path, task_runner="dask", dask_address="tcp://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 .*dask worker"):
        make_runner(settings)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prefect_moon:MoonTaskRunner", "There is no task runner 'prefect_moon:MoonTaskRunner'.*prefect_ray"),
        ("prefect.task_runners:Nothing", "There is no task runner"),
        ("builtins:dict", "makes no task runner"),
    ],
)
def test_other_runners_by_name(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make_runner(Settings(home=tmp_path, task_runner=name))
    made = make_runner(Settings(home=tmp_path, task_runner="prefect.task_runners:ThreadPoolTaskRunner"))
    assert type(made).__name__ == "ThreadPoolTaskRunner"
