"""Holds a run's number against the paper's, and writes both."""

from collections.abc import Sequence
from math import floor, isclose, log10

from catalog.validation.parity.statements import KINDS, Kind, Statement, Value

__all__ = ["agreement", "difference_words", "rule_words", "write_value"]

_SHARES: dict[Kind, float] = {"value": 0.10, "range": 0.10, "about": 0.25}


def agreement(statement: Statement, paper: Value, run: Value, count_tolerance: float) -> bool:
    """Tell whether the run's number is the paper's, within what `statement` allows.

    Parameters
    ----------
    statement : Statement
    paper, run : number, str, or tuple of them
    count_tolerance : float
        Relative difference that the release allows its counts.
    """
    if statement.kind == "setting":
        return _equal(paper, run)
    lowest, highest = _ends(run)
    low, high = _ends(paper)
    match statement.kind:
        case "range" if isinstance(paper, tuple):
            slack = _slack(statement, paper, 0.0)
            return low - slack <= lowest and highest <= high + slack
        case "at most":
            return highest <= high + (statement.tolerance or 0.0)
        case "at least":
            return lowest >= low - (statement.tolerance or 0.0)
        case "above":
            return lowest > low
        case "count":
            slack = count_tolerance * abs(low) if statement.tolerance is None else statement.tolerance
        case _:
            slack = _slack(statement, paper, _SHARES[statement.kind] * abs(high))
    return abs(lowest - low) <= slack * (1 + 1e-9) and abs(highest - high) <= slack * (1 + 1e-9)


def rule_words(statement: Statement, paper: Value | None, count_tolerance: float) -> str:
    """Say how a statement is judged."""
    if statement.tolerance is not None:
        unit = f" {statement.unit}" if statement.unit else ""
        return f"within {_grouped(f'{statement.tolerance:,.10g}')}{unit}"
    if statement.kind == "count":
        return f"within {100 * count_tolerance:g} %"
    return KINDS["value" if statement.kind == "range" and not isinstance(paper, tuple) else statement.kind]


def difference_words(statement: Statement, paper: Value, run: Value) -> str:
    """Return ratio or difference of two numbers in a few characters; empty where neither says anything."""
    if not isinstance(paper, int | float) or not isinstance(run, int | float):
        return ""
    if statement.kind in ("at most", "at least", "above") or (statement.kind == "setting" and _equal(paper, run)):
        return ""
    change = run - paper
    if statement.kind == "count":
        return f"{_signed(change, 0)} ({_signed(100 * change / paper, 2)} %)" if change else "0"
    if paper > 0 and run > 0 and statement.kind != "setting" and statement.tolerance is None:
        ratio = run / paper
        return f"× {ratio:.2f}" if ratio >= 0.01 else f"× {ratio:.1g}"
    return _signed(
        change, max(_decimals(paper), _decimals(run)) if statement.kind == "setting" else _decimals(paper) + 1
    )


def write_value(value: Value | None, statement: Statement, like: Value | None = None) -> str:
    """Write a number, or several.

    Parameters
    ----------
    value : number, str, or tuple of them; None
    statement : Statement
    like : number, str, or tuple of them, optional
        What the paper states: a measured number of the run gets one digit more than that.
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return (" to " if statement.is_interval else ", ").join(write_value(each, statement, like) for each in value)
    numbers = _numbers(like)
    if not numbers or isinstance(value, int) or statement.kind in ("setting", "count"):
        return _grouped(f"{value:,.10g}")
    digits = max(map(_decimals, numbers))
    if abs(value) < 1000:
        # Never so few that nothing is left of a small number.
        digits = max(digits + 1, -floor(log10(abs(value))) if value else 0)
    return _grouped(f"{value:,.{digits}f}")


def _slack(statement: Statement, paper: Value, least: float) -> float:
    """Return the allowed difference: the statement's own, or rounding of the paper's number and `least`."""
    if statement.tolerance is not None:
        return statement.tolerance
    return max(least, 0.5 * 10.0 ** -max(map(_decimals, _numbers(paper)))) * (1 + 1e-9)


def _ends(value: Value) -> tuple[float, float]:
    numbers = [float(each) for each in (value if isinstance(value, tuple) else (value,))]
    return min(numbers), max(numbers)


def _numbers(value: Value | None) -> list[float]:
    listed = value if isinstance(value, tuple) else (value,)
    return [each for each in listed if isinstance(each, int | float)]


def _equal(paper: Value, run: Value) -> bool:
    if isinstance(paper, tuple) or isinstance(run, tuple):
        both = (_listed(paper), _listed(run))
        return len(both[0]) == len(both[1]) and all(_equal(*pair) for pair in zip(*both, strict=True))
    if isinstance(paper, str) or isinstance(run, str):
        return paper == run
    return isclose(paper, run, rel_tol=1e-9)


def _listed(value: Value) -> Sequence[float | int | str]:
    return value if isinstance(value, tuple) else (value,)


def _decimals(number: float) -> int:
    """Return the digits behind the point that the paper's number was written with, as far as they can be seen."""
    _, _, behind = f"{number:.10g}".partition(".")
    return len(behind)


def _signed(value: float, digits: int) -> str:
    return _grouped(f"{value:+,.{digits}f}")


def _grouped(text: str) -> str:
    """Write thin spaces between thousands, and minus as in print."""
    return text.replace(",", "\u202f").replace("-", "−")
