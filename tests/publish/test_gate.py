"""The gate: what is refused, what is accepted with a reason, and where that can be read afterwards."""

import json
from dataclasses import replace

import psycopg
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from click.testing import CliRunner

from catalog.cli.publish import publish
from catalog.database import migrate
from catalog.database.ledger import find_run
from catalog.profiles import load_profile, profile_names
from catalog.publish.export import NO_AUTHOR
from catalog.publish.gate import PublicationError
from catalog.publish.publications import find_publication, list_publications
from catalog.publish.stage import publish_catalogue

REASON = "the shift in log g is known – see the note"


@pytest.fixture
def profile(profile):
    """A profile that accepts nothing."""
    settings = profile.publish.model_copy(update={"exports": ("fits", "parquet"), "accept_failed": ""})
    return profile.model_copy(update={"publish": settings})


@pytest.fixture
def labelled(run, seed_run):
    return seed_run(run)


def accepting(run, reason=REASON):
    settings = run.profile.publish.model_copy(update={"accept_failed": reason})
    return replace(run, profile=run.profile.model_copy(update={"publish": settings}))


def judge(connection, run, *results):
    connection.execute("DELETE FROM production.validation_result WHERE run_id = %s", (run.run_id,))
    for i, status in enumerate(results):
        connection.execute(
            "INSERT INTO production.validation_result (run_id, comparison, subset, label, n, status, message, query) "
            "VALUES (%s, 'apogee', %s, 'logg', 40, %s, %s, 'validation/apogee')",
            (run.run_id, f"part {i}", status, f"what was found in {i}"),
        )
    connection.commit()


def test_a_good_catalogue_passes_and_its_checks_are_recorded(connection, run, settings, labelled):
    judge(connection, run, "pass", "pass", "warn", "not run", "info")
    result = publish_catalogue(connection, accepting(run), settings)
    found = find_publication(connection)
    counts = found.verdict.n_pass, found.verdict.n_warn, found.verdict.n_fail, found.verdict.n_not_run
    assert counts == (2, 1, 0, 1)
    assert (found.verdict.accepted_reason, found.verdict.failures, found.accepted_at) == (None, (), None)
    assert result.notes == [NO_AUTHOR]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (
            ["pass", "fail", "warn"],
            "1 check of its validation failed (apogee 1): apogee, part 1, logg: what was found in 1.",
        ),
        (["fail"] * 7, "7 checks of its validation failed"),
        ([], "has not been validated, so"),
        (["not run", "info"], "none of its checks could be made"),
    ],
)
def test_what_is_not_good_is_refused_and_changes_nothing(connection, run, settings, labelled, results, message):
    judge(connection, run, *results)
    with pytest.raises(PublicationError) as error:
        publish_catalogue(connection, run, settings)
    assert message in error.value.message
    assert f'rvscat publish --run {run.run_id} --accept-failed "REASON"' in error.value.remedy
    assert f"rvscat validate --run {run.run_id}" in error.value.remedy
    if "fail" in results:
        assert str(settings.reports / f"run-{run.run_id}" / "report.html") in error.value.remedy
    connection.rollback()
    assert list_publications(connection) == []
    assert not settings.exports.exists()
    if len(results) == 7:
        assert "part 4" in error.value.message
        assert "part 5" not in error.value.message
        assert "and 2 more" in error.value.message


def test_a_refusal_leaves_the_version_before_it(connection, run, settings, labelled):
    judge(connection, run, "pass")
    publish_catalogue(connection, run, settings)
    connection.execute("UPDATE production.label SET teff = teff + 300")
    judge(connection, run, "pass", "fail")
    with pytest.raises(PublicationError):
        publish_catalogue(connection, run, settings)
    connection.rollback()
    (only,) = list_publications(connection)
    assert only.current
    assert only.verdict.good


def test_what_was_accepted_why_by_whom_and_when_is_kept(connection, run, settings, labelled, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "producer")
    judge(connection, run, "pass", "fail", "fail")
    result = publish_catalogue(connection, accepting(run), settings)
    assert result.counts["failed_accepted"] == 2
    note, about_author = result.notes
    assert about_author == NO_AUTHOR
    assert note == f"Published although 2 checks failed (apogee 2). The reason given: {REASON}."
    found = find_publication(connection)
    assert (found.verdict.n_fail, found.verdict.accepted_reason, found.verdict.accepted_by) == (2, REASON, "producer")
    assert [each["subset"] for each in found.verdict.failures] == ["part 1", "part 2"]
    assert found.verdict.failures[0]["message"] == "what was found in 1"
    assert found.accepted_at >= found.published_at

    # Every file says so too; FITS headers are ASCII.
    folder = settings.exports / "v1"
    told = f"checks passed 1, warned 0, failed 2, not run 0; accepted: {REASON}"
    assert fits.getheader(folder / "rvs_cnn.fits", 1)["VALIDAT"] == told.replace("–", "?")
    assert pq.read_schema(folder / "rvs_cnn.parquet").metadata[b"validation"].decode() == told
    assert json.loads((folder / "rvs_cnn.json").read_text())["facts"]["validation"] == told

    # Again, for the same reason: the same decision.
    monkeypatch.setattr("getpass.getuser", lambda: "somebody else")
    publish_catalogue(connection, accepting(run), settings)
    assert find_publication(connection) == found
    # With better checks and the same content, it needs no acceptance any more, and files say what is true now.
    judge(connection, run, "pass", "pass", "pass")
    publish_catalogue(connection, run, settings)
    again = find_publication(connection)
    assert (again.version, again.verdict.n_pass, again.verdict.accepted_reason, again.accepted_at) == (1, 3, None, None)
    assert "accepted" not in fits.getheader(folder / "rvs_cnn.fits", 1)["VALIDAT"]


def test_a_catalogue_without_validation_can_be_accepted(connection, run, settings, labelled):
    judge(connection, run)
    result = publish_catalogue(connection, accepting(run), settings)
    assert result.notes == [f"Published although it was not validated. The reason given: {REASON}.", NO_AUTHOR]
    assert find_publication(connection).verdict.words == f"not validated; accepted: {REASON}"


def test_the_database_itself_keeps_the_gate(connection, run, settings, labelled):
    judge(connection, run, "pass")
    publish_catalogue(connection, run, settings)
    for change in (
        "n_fail = 1",
        "n_pass = 0",
        "n_warn = NULL",
        "accepted_reason = 'why'",
        "accepted_reason = ' ', accepted_failures = '[]', accepted_by = 'me', accepted_at = now()",
    ):
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute(f"UPDATE production.publication SET {change}")


@pytest.mark.usefixtures("labelled")
class TestCommand:
    """`rvscat publish --accept-failed` and `--list`, as a user meets them."""

    @pytest.fixture(autouse=True)
    def _validated(self, connection, run):
        judge(connection, run, "pass", "fail")
        connection.execute(
            "INSERT INTO production.stage (run_id, name, key, status) "
            "VALUES (%s, 'validate', repeat('a', 64), 'complete')",
            (run.run_id,),
        )
        connection.commit()

    @pytest.fixture(autouse=True)
    def _same_thresholds(self, monkeypatch):
        monkeypatch.setattr("catalog.validation.stage.thresholds_changed", lambda *_: False)

    def test_refused_without_a_reason(self, connection):
        with pytest.raises(PublicationError, match="1 check of its validation failed"):
            CliRunner().invoke(publish, [], catch_exceptions=False)
        assert list_publications(connection) == []

    def test_accepted_for_this_once(self, connection, run):
        result = CliRunner().invoke(publish, ["--accept-failed", f"  {REASON}\n"], catch_exceptions=False)
        assert result.exit_code == 0
        assert find_publication(connection).verdict.accepted_reason == REASON
        # The settings of the run are as they were.
        assert find_run(connection, run.run_id).profile.publish.accept_failed == ""
        listed = CliRunner().invoke(publish, ["--list"], catch_exceptions=False, env={"COLUMNS": "150"}).output
        assert f"Version 1: Published although 1 check failed (apogee 1). The reason given: {REASON}. (" in listed
        listed = CliRunner().invoke(publish, ["--list", "--json"], catch_exceptions=False).output
        (row,) = json.loads(listed)
        assert row["verdict"]["failures"][0]["subset"] == "part 1"
        assert row["accepted_at"] >= row["published_at"]


@pytest.mark.parametrize(
    "arguments", [["--accept-failed", " "], ["--accept-failed", "\x07"], ["--accept-failed", "x", "--list"]]
)
def test_reasons_are_words(arguments):
    assert CliRunner().invoke(publish, arguments).exit_code == 2


def test_only_profiles_of_demonstrations_accept_failures():
    accepted = {name: load_profile(name).publish.accept_failed for name in profile_names()}
    assert {name for name, reason in accepted.items() if reason} == {"demo", "tiny"}
    assert all(load_profile(name).mock for name, reason in accepted.items() if reason)


def test_accepting_makes_no_other_run(profile):
    other = profile.model_copy(update={"publish": profile.publish.model_copy(update={"accept_failed": REASON})})
    assert other.key == profile.key


def test_versions_of_before_the_gate_stay_published(connection, run, settings, labelled):
    judge(connection, run, "pass", "fail")
    publish_catalogue(connection, accepting(run), settings)
    connection.commit()
    migrate.downgrade(settings.database_url, "0010_references")
    migrate.upgrade(settings.database_url)
    (old,) = list_publications(connection)
    assert (old.version, old.current, old.verdict, old.accepted_at) == (1, True, None, None)
