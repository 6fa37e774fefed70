"""What a person sees while stages run."""

import io

import pytest
from rich.console import Console

from catalog.cli import display as display_module
from catalog.cli.display import StageDisplay
from catalog.cli.words import duration, stage_words, thousands
from catalog.profiles import load_profile
from catalog.stages import plan


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display_module, "time", clock)
    return clock


def make(terminal: bool = False) -> tuple[StageDisplay, io.StringIO]:
    output = io.StringIO()
    profile = load_profile("tiny").model_copy(
        update={"expected_seconds": {stage.name: 10.0 for stage in plan(load_profile("tiny"))}}
    )
    return StageDisplay(profile, plan(profile), Console(file=output, width=120, force_terminal=terminal)), output


def test_lines_where_there_is_no_terminal(clock: Clock) -> None:
    display, output = make()
    with display.showing():
        display.begin("mock")
        clock.now = 12
        display(5, 10, "spectra")
        clock.now = 25
        display(9, 10, "spectra")
        display.end("mock", {"rvs_mean_spectrum": 4000}, ["A note."], skipped=False)
        display.begin("ingest")
        display.end("ingest", {"files_read": 3}, [], skipped=True)
    lines = output.getvalue().splitlines()
    assert lines[0] == "Synthetic surveys ..."
    assert "90% spectra" in lines[1]
    assert lines[2].startswith("Synthetic surveys: 4\u202f000 spectra (0:25; about ")
    assert lines[3] == "  A note."
    assert "already done" in lines[5]


def test_the_estimate_follows_this_machine(clock: Clock) -> None:
    display, _ = make()
    assert display.seconds_left() == 90
    display.begin("mock")
    clock.now = 20
    display.end("mock", {}, [], skipped=False)
    assert display.seconds_left() == 160  # twice as slow as expected
    display.begin("ingest")
    clock.now = 30
    display(1, 2)
    assert display.seconds_left() == pytest.approx(7 * 20 + 10)


def test_the_terminal_shows_every_stage(clock: Clock) -> None:
    display, output = make(terminal=True)
    display.begin("mock")
    display(1, 4, "spectra")
    Console(file=output, width=120, force_terminal=True).print(display)
    for stage in plan(load_profile("tiny")):
        assert stage.title in output.getvalue()
    assert "25% spectra" in output.getvalue()


def test_parts_at_work_are_shown_in_a_narrow_terminal(clock: Clock) -> None:
    display, _ = make(terminal=True)
    rows = [
        {"member": f"{i}", "epoch": f"{i}/500", "learning rate": "1.0e-04", "left": "0:05:41"} for i in range(1, 15)
    ]

    def drawn() -> list[str]:
        output = io.StringIO()
        Console(file=output, width=80).print(display)
        return [line.rstrip() for line in output.getvalue().splitlines()]

    display.begin("train")
    display(1, 4, "member 2 of 28, epoch 22: loss 0.0123, validation 0.0159, learning rate 1.0e-04")
    display.parts(rows)
    lines = drawn()
    assert any(line.split() == ["member", "epoch", "learning", "rate", "left"] for line in lines)
    assert [line.split() for line in lines if "/500" in line][2] == ["3", "3/500", "1.0e-04", "0:05:41"]
    assert lines[-1].split() == ["and", "2", "more"]
    assert max(map(len, lines)) <= 80
    display.end("train", {"members": 28}, [], skipped=False)
    assert not any("/500" in line for line in drawn())


def test_parts_at_work_are_printed_now_and_then(clock: Clock) -> None:
    display, output = make()
    display.begin("train")
    display.parts([{"member": "1", "loss": "0.1"}, {"member": "2", "loss": "0.2"}])
    clock.now = 25
    display(1, 4, "member 2 of 28")
    assert output.getvalue().splitlines()[-2:] == ["       member 1, loss 0.1", "       member 2, loss 0.2"]


def test_words() -> None:
    assert [duration(s) for s in (0.4, 7, 205, 3725)] == ["0:00", "0:07", "3:25", "1:02:05"]
    assert thousands(886080) == "886\u202f080"
    assert stage_words("sample", {"training": 1000, "spectra": 4000, "rejected": 0, "crossmatched": 7}) == (
        "4\u202f000 spectra, 1\u202f000 training"
    )
    assert stage_words("ingest", {"files_read": 1, "files_refused": 2}) == "1 file read, 2 files refused"
    assert stage_words("publish", {"rows": 12, "version": 3}) == "version 3, 12 rows"
