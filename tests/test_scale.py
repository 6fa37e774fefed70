"""The plan in docs/scale.md is the one that its rates give."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks import plan

SCALE = Path(__file__).parents[1] / "docs" / "scale.md"


def test_the_tables_follow_from_the_rates(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["plan.py"])
    plan.main()
    assert capsys.readouterr().out.strip() in SCALE.read_text()


def test_other_rates_and_machines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--spectra 2e7 --workers 10 --database 4 --rate predict=7.2 --price-core 1"
    monkeypatch.setattr(sys, "argv", ["plan.py", *arguments.split()])
    plan.main()
    printed = capsys.readouterr().out
    # 2e7 stars of 7.2 ms are 40 hours of one core.
    assert "| predict | 4.0 h |" in printed
    assert "| `predict` | 7.2 | workers |" in printed
    monkeypatch.setattr(sys, "argv", ["plan.py", "--rate", "sleep=1"])
    with pytest.raises(SystemExit):
        plan.main()
