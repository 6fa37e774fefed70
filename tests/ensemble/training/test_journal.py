from pathlib import Path

import pytest

from catalog.ensemble.training import journal
from catalog.ensemble.training.journal import (
    JournalReader,
    MemberJournal,
    SupersededError,
    begin_session,
    end_session,
    here,
)
from catalog.errors import ConfigurationError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "VISIBLE_SECONDS", 0.1)


def test_what_is_told_is_read_once_and_in_order(tmp_path: Path) -> None:
    session = begin_session(tmp_path)
    reader = JournalReader(tmp_path, session)
    assert reader.news() == []
    first = MemberJournal(tmp_path, session, 0)
    first.begin()
    first({"event": "epoch", "member": 0, "epoch": 1})
    assert [event["event"] for event in reader.news()] == ["began", "epoch"]
    first({"event": "epoch", "member": 0, "epoch": 2})
    assert reader.news() == [{"event": "epoch", "member": 0, "epoch": 2, "where": here()}]
    assert reader.news() == []


def test_half_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    session = begin_session(tmp_path)
    reader = JournalReader(tmp_path, session)
    file = tmp_path / "journal" / f"{session}-00-x.jsonl"
    file.write_text('{"event": "epoch"}\n{"event": "do')
    assert reader.news() == [{"event": "epoch"}]
    with file.open("a") as lines:
        lines.write('ne"}\n')
    assert reader.news() == [{"event": "done"}]


def test_another_attempt_at_a_member_ends_the_one_before(tmp_path: Path) -> None:
    session = begin_session(tmp_path)
    first, other, second = (MemberJournal(tmp_path, session, member) for member in (0, 1, 0))
    first.begin()
    other.begin()
    second.begin()
    with pytest.raises(SupersededError, match="member 1 belongs to has ended, or another worker has taken"):
        first({"event": "epoch", "member": 0})
    second.require_current()
    other.require_current()


def test_a_task_of_an_earlier_session_stops_and_takes_nothing_away(tmp_path: Path) -> None:
    before = begin_session(tmp_path)
    left, late = MemberJournal(tmp_path, before, 0), MemberJournal(tmp_path, before, 0)
    left.begin()
    session = begin_session(tmp_path)
    now = MemberJournal(tmp_path, session, 0)
    now.begin()
    with pytest.raises(SupersededError):
        left.require_current()
    with pytest.raises(SupersededError):
        late.begin()
    now.require_current()
    assert [event["event"] for event in JournalReader(tmp_path, session).news()] == ["began"]
    end_session(tmp_path)
    with pytest.raises(SupersededError):
        now.require_current()


def test_a_folder_that_cannot_be_seen_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"{here()}.* member 3, does not see the work folder .*nowhere"
    ) as told:
        MemberJournal(tmp_path / "nowhere", "abc", 2).begin()
    assert "RVSCAT_HOME" in told.value.remedy


def test_a_file_system_that_does_not_answer_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begin_session(tmp_path)
    member = MemberJournal(tmp_path, session, 0)
    member.begin()

    def stale(path: Path) -> str:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "read_text", stale)
    member.require_current()
