"""Checks: thresholds from ``checks.toml`` and the judgement of each row of a comparison."""

import tomllib
from dataclasses import replace
from importlib.resources import files
from math import isinf, sqrt
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog.errors import ConfigurationError
from catalog.validation.results import Result, Status, format_value

__all__ = ["Check", "Checks", "Comparison", "Range", "judge", "load_checks", "paper_dispersions"]

_RANK: dict[Status, int] = {"info": 0, "pass": 1, "warn": 2, "fail": 3, "not run": 4}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Model):
    """Values that pass, and values that only warn."""

    passing: tuple[float, float] = Field(alias="pass")
    warning: tuple[float, float] = Field(alias="warn")

    def grade(self, value: float, errors: float = 0.0, n: int = 1, slack: float = 0.0) -> Status:
        """Return the status of `value`.

        Parameters
        ----------
        value : float
        errors : float
            Standard errors of a fraction by which each bound is moved outwards; of a fraction of `n` stars.
        n : int
        slack : float
            By which each bound is moved outwards in addition.
        """
        if _inside(value, self.passing, errors, n, slack):
            return "pass"
        return "warn" if _inside(value, self.warning, errors, n, slack) else "fail"


def _inside(value: float, bounds: tuple[float, float], errors: float, n: int, slack: float) -> bool:
    low, high = bounds
    below, above = (errors * sqrt(max(0.0, bound * (1.0 - bound)) / n) for bound in bounds)
    return low - below - slack <= value <= high + above + slack


class Check(_Model):
    """Thresholds of one subset."""

    subset: str
    """Name of the subset; a trailing ``*`` matches any ending."""
    source: str
    """Where the figures come from."""
    paper: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Dispersion that the paper states, by label."""
    ranges: dict[str, Range] = Field(default_factory=dict)
    """Ranges by column of the query."""
    labels: tuple[str, ...] = ()
    """Labels that `ranges` judges; empty for all."""
    judged: bool = True

    @model_validator(mode="after")
    def _has_thresholds(self) -> "Check":
        if bool(self.paper) == bool(self.ranges):
            raise ValueError(f"the check of {self.subset!r} needs either 'paper' or 'ranges'")
        return self

    def matches(self, subset: str, label: str) -> bool:
        """Tell whether this check judges that subset and label."""
        if self.subset.endswith("*"):
            same = subset.startswith(self.subset[:-1])
        else:
            same = subset == self.subset
        wanted = self.paper or self.labels
        return same and (not wanted or label in wanted)


class Comparison(_Model):
    """One query of ``sql/validation`` and how its rows are judged."""

    title: str
    short: str
    """A word or two for the page's navigation."""
    about: str
    needs: tuple[str, ...] = ()
    """Survey products without which there is nothing to compare."""
    synthetic: bool = False
    """Only a synthetic sky can be compared in this way."""
    minimum_stars: int | None = None
    """Overrides the general minimum."""
    parameters: dict[str, float | int | str | tuple[float, ...]] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()


class Checks(_Model):
    """The whole settings file."""

    minimum_stars: int = Field(default=10, ge=2)
    """A row of fewer stars is not judged: it counts as not run."""
    dispersion_pass: float = Field(gt=0)
    dispersion_warn: float = Field(gt=0)
    bias_pass: float = Field(gt=0)
    bias_warn: float = Field(gt=0)
    standard_errors: float = Field(default=2.0, ge=0)
    """A figure exceeds a threshold when it does so by more than this many of its standard errors."""
    comparisons: dict[str, Comparison]

    def minimum(self, comparison: str) -> int:
        """Return the fewest stars that a row of `comparison` needs."""
        own = self.comparisons[comparison].minimum_stars
        return self.minimum_stars if own is None else own

    def parameters(self) -> dict[str, float | int | str | tuple[float, ...]]:
        """Return the parameters of all comparisons together."""
        return {
            name: value for comparison in self.comparisons.values() for name, value in comparison.parameters.items()
        }


def paper_dispersions() -> dict[str, float]:
    """Return the paper's dispersions of CNN - APOGEE for its training sample (Sect. 3.3), by label.

    They are the shipped ones: a user's thresholds do not change what the paper states.

    Returns
    -------
    dict of str to float
        In K for ``teff``, in dex for the others.
    """
    return next(check.paper for check in load_checks().comparisons["apogee"].checks if check.subset == "training")


def load_checks(override: Path | None = None) -> Checks:
    """Read the shipped thresholds, and a user's file over them.

    Parameters
    ----------
    override : Path, optional
        TOML file that names only what differs; a list of checks replaces the shipped list.

    Raises
    ------
    ConfigurationError
        The file is not valid TOML, or holds an unknown or invalid entry.
    """
    values = tomllib.loads(files(__package__).joinpath("checks.toml").read_text(encoding="utf-8"))
    name = "catalog/validation/checks.toml"
    if override is not None and override.is_file():
        name = str(override)
        try:
            values = _merge(values, tomllib.loads(override.read_text(encoding="utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{name} is not valid TOML: {error}.", "Correct the file or remove it.") from error
    try:
        return Checks.model_validate(values)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{name}: {details}.") from error


def _merge(base: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if both else value
    return merged


def judge(checks: Checks, result: Result) -> Result:
    """Return `result` with its status, message and the paper's figure.

    Parameters
    ----------
    checks : Checks
    result : Result
        A row as the query gave it.

    Returns
    -------
    Result
        ``not run`` below the minimum of stars, ``info`` when no check applies.
    """
    check = next(
        (check for check in checks.comparisons[result.comparison].checks if check.matches(result.subset, result.label)),
        None,
    )
    paper = check.paper.get(result.label) if check else None
    result = replace(result, paper=paper, source=check.source if check else "")
    minimum = checks.minimum(result.comparison)
    if result.n < minimum:
        return replace(result, status="not run", message=f"N = {result.n}, at least {minimum} are needed")
    if check is None:
        return replace(result, status="info", message=_extras(result))
    if paper is not None:
        return _judge_dispersion(checks, check, result, paper)
    return _judge_ranges(checks, check, result)


def _judge_dispersion(checks: Checks, check: Check, result: Result, paper: float) -> Result:
    if result.dispersion is None:
        return replace(result, status="not run", message="no dispersion could be computed")
    # Standard errors of a standard deviation and of a mean.
    slack = checks.standard_errors * result.dispersion / sqrt(result.n)
    spread = _grade((result.dispersion - slack / sqrt(2)) / paper, checks.dispersion_pass, checks.dispersion_warn)
    text = (
        f"dispersion {format_value(result.label, result.dispersion)} is {result.dispersion / paper:.2f} × the paper's"
    )
    found = [(spread, text)]
    if result.bias is not None:
        offset = _grade((abs(result.bias) - slack) / paper, checks.bias_pass, checks.bias_warn)
        bias = format_value(result.label, result.bias, signed=True)
        if offset != "pass":
            found.append((offset, f"mean difference {bias} is {abs(result.bias) / paper:.2f} × the paper's dispersion"))
    found.sort(key=lambda item: -_RANK[item[0]])
    status = found[0][0] if check.judged else "info"
    return replace(result, status=status, message="; ".join(text for _, text in found))


# Fractions of stars within so many sigma, of which few stars give an uncertain one.
_SIGMAS = {"within": "σ", "calibrated": "calibrated σ"}

# Shares of stars are written in per cent, other quantities as numbers.
_SHARES = {"fraction", "high", *_SIGMAS}
_WORDS = {"dbic": "ΔBIC", "high": "high [α/M]"}


def _judge_ranges(checks: Checks, check: Check, result: Result) -> Result:
    status: Status = "info"
    parts = []
    for quantity, allowed in check.ranges.items():
        value = result.extra.get(quantity)
        if value is None:
            return replace(result, status="not run", message=f"the query gave no {quantity}")
        kind, _, number = quantity.partition("_")
        errors = checks.standard_errors if kind in _SIGMAS else 0.0
        # A quantity that comes with its standard error is judged as leniently as a dispersion.
        slack = checks.standard_errors * float(result.extra.get(f"{quantity}_error") or 0.0)
        grade = allowed.grade(float(value), errors, result.n, slack)
        words = _WORDS.get(quantity, quantity.replace("_", " "))
        if kind in _SIGMAS:
            words = f"within {number} {_SIGMAS[kind]}"
        status = max(status, grade, key=_RANK.__getitem__)
        low, high = allowed.passing
        if kind in _SHARES:
            parts.append(f"{words} {100 * value:.1f} % ({100 * low:.0f} to {100 * high:.0f} % pass)")
        else:
            error = f" ± {_plain(slack / checks.standard_errors)}" if slack else ""
            parts.append(f"{words} {_plain(float(value))}{error} ({_span(low, high)})")
    return replace(result, status=status if check.judged else "info", message="; ".join(parts))


def _plain(value: float) -> str:
    """Write a number with three digits, large ones whole, small ones to a thousandth."""
    if abs(value) >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}" if abs(value) >= 1 else f"{round(value, 3):g}"
    return text.replace("-", "−")


def _span(low: float, high: float) -> str:
    if isinf(high):
        return f"at least {_plain(low)} passes"
    if isinf(low):
        return f"at most {_plain(high)} passes"
    return f"{_plain(low)} to {_plain(high)} passes"


def _grade(ratio: float, passing: float, warning: float) -> Status:
    return "pass" if ratio <= passing else "warn" if ratio <= warning else "fail"


def _extras(result: Result) -> str:
    if "fraction" in result.extra and result.extra["fraction"] is not None:
        return f"fraction {100 * result.extra['fraction']:.1f} %"
    if result.extra.get("mean") is not None:
        return f"mean {format_value(result.label, result.extra['mean'], signed=True)}"
    return ""
