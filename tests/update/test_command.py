"""`rvscat update` as a user does it."""

from functools import partial

from tests.commands import rvscat
from tests.update.working import Installation


def test_the_command_tells_what_is_new(installation: Installation) -> None:
    do = partial(rvscat, installation.home, installation.url, figures=False)
    profile = str(installation.profile_file)
    refused = do("update", "--profile", "demo", status=1)
    assert "rvscat run --profile demo" in refused
    installation.deliver(1)
    output = do("update", "--profile", profile)
    for words in ("update of run 1", "stars keep the labels and flags of run 1", "version 2", "run-2/report.html"):
        assert words in output
    assert "extends 1" in do("status")
    assert "Nothing new: the catalogue of run 2 stays" in do("update", "--profile", profile)
    assert installation.rows("SELECT count(*) FROM production.run WHERE base_run_id IS NOT NULL") == [(1,)]
