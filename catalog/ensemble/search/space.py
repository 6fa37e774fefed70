"""What a search looks for: choices, or a range, for each setting of network and training.

A space is a TOML file: what it names is searched, all else stays as in the profile. ``space.toml`` beside this module
is the space of a search without a file.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from catalog.errors import ConfigurationError
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["Axis", "Dimension", "SearchSpace", "apply_values", "load_space"]

_DIGITS = 4
"""Significant digits of values drawn from a range of real numbers: more say nothing, and are hard to read."""
_DEFAULT = "space.toml"

_Number = Annotated[float, Strict()]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dimension(_Model):
    """The values that a setting may have: a list of choices, or a range."""

    choices: tuple[_Number, ...] = ()
    low: _Number | None = None
    high: _Number | None = None
    step: _Number | None = Field(default=None, gt=0.0)
    """Between two values of a range; their ratio where `log` is set."""
    log: bool = False
    """Whether each decade of the range is as likely as any other."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"choices": value}
        if not isinstance(value, dict):
            raise ValueError(
                f"{value!r} is neither a list of choices nor a range such as {{low = 0.0, high = 0.5}}; a setting that "
                "is not searched belongs into the profile"
            )
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.low is None) != (self.high is None) or (self.low is None) == (not self.choices):
            raise ValueError("a list of choices, or low and high of a range, is needed")
        if self.low is None or self.high is None:
            if len(set(self.choices)) < max(2, len(self.choices)):
                raise ValueError("at least two choices are needed, each once")
            if self.log or self.step is not None:
                raise ValueError("log and step go with a range, not with choices")
            return self
        if not self.low < self.high or not math.isfinite(self.high - self.low):
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}")
        if self.log and not self.low > 0.0:
            raise ValueError("a range with log = true must begin above zero")
        if self.step is not None and len(self.values()) < 2:
            raise ValueError(f"with step = {self.step:g} the range has one value only")
        return self

    def values(self) -> tuple[float, ...]:
        """Return all values, in their order; none for a range without steps."""
        if self.low is None or self.high is None or self.step is None:
            return self.choices
        if self.log:
            n = math.log(self.high / self.low) / math.log(self.step) if self.step > 1.0 else 0.0
            return tuple(_rounded(self.low * self.step**i) for i in range(int(n + 1e-9) + 1))
        n = (self.high - self.low) / self.step
        return tuple(_rounded(self.low + self.step * i) for i in range(int(n + 1e-9) + 1))

    def named(self) -> tuple[float, ...]:
        """Return the numbers that the file names as values: choices, or the ends of the range."""
        return self.values() or tuple(end for end in (self.low, self.high) if end is not None)


def _within(least: float, most: float = math.inf, *, whole: bool = False) -> AfterValidator:
    """Make the rule that all values lie from `least` to `most`."""

    def check(dimension: Dimension) -> Dimension:
        for value in dimension.named():
            if whole and value != int(value):
                raise ValueError(f"{value:g} is not a whole number")
            if not least <= value <= most:
                bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"at least {least:g}"
                raise ValueError(f"{value:g} is not {bounds}")
        return dimension

    return AfterValidator(check)


_Count = Annotated[Dimension, _within(1, whole=True)]
_Fraction = Annotated[Dimension, _within(0.0, 0.95)]
_Positive = Annotated[Dimension, _within(1e-12)]
_NotNegative = Annotated[Dimension, _within(0.0)]


class NetworkSpace(_Model):
    """Settings of `NetworkSettings` that can be searched."""

    filters: tuple[_Count, ...] | None = Field(default=None, min_length=1)
    """One dimension a convolution block."""
    kernel_size: _Count | None = None
    spectrum_units: _Count | None = None
    scalar_units: _Count | None = None
    xp_units: _Count | None = None
    dense_units: tuple[_Count, ...] | None = Field(default=None, min_length=1)
    """One dimension a hidden layer."""
    pool_size: _Count | None = None
    dropout: _Fraction | None = None
    kernel_l2: _NotNegative | None = None
    leaky_slope: _Fraction | None = None


class TrainingSpace(_Model):
    """Settings of `TrainingSettings` that can be searched."""

    learning_rate: _Positive | None = None
    batch_size: _Count | None = None
    plateau_factor: Annotated[Dimension, _within(0.01, 0.99)] | None = None
    plateau_patience: _Count | None = None


@dataclass(frozen=True)
class Axis:
    """One dimension of a space, with its place in the settings."""

    name: str
    """That of the setting; where it has several parts, with the number of the part: ``filters_1``."""
    section: str
    """``network`` or ``training``."""
    setting: str
    part: int | None
    """Which element of the setting, counted from 0; None where it is a single number."""
    whole: bool
    """Whether its values are whole numbers."""
    dimension: Dimension

    def value(self, number: float) -> int | float:
        """Return a number as the settings have it: whole, or with few digits and inside the range."""
        if self.whole:
            return int(number)
        low, high = self.dimension.low, self.dimension.high
        if low is None or high is None or self.dimension.step is not None:
            return float(number)
        return min(high, max(low, _rounded(number)))


class SearchSpace(_Model):
    """All that is searched."""

    network: NetworkSpace = NetworkSpace()
    training: TrainingSpace = TrainingSpace()

    def axes(self, network: NetworkSettings, training: TrainingSettings) -> tuple[Axis, ...]:
        """Return the dimensions, those of the network first.

        Parameters
        ----------
        network : NetworkSettings
            Of the profile; dimensions of inputs that it leaves out are left out as well.
        training : TrainingSettings

        Returns
        -------
        tuple of Axis

        Raises
        ------
        ConfigurationError
            Nothing is left to search, or a list has another number of parts than the profile's network.
        """
        axes: list[Axis] = []
        for section, space, settings in (("network", self.network, network), ("training", self.training, training)):
            for setting in type(space).model_fields:
                found, present = getattr(space, setting), getattr(settings, setting)
                if found is None or _idle(setting, network):
                    continue
                if isinstance(found, Dimension):
                    axes.append(Axis(setting, section, setting, None, isinstance(present, int), found))
                    continue
                if len(found) != len(present):
                    raise ConfigurationError(
                        f"The search space has {len(found)} lists for {section}.{setting}, the profile's network has "
                        f"{len(present)} ({', '.join(map(str, present))}).",
                        f"Give one list of choices, or range, for each of the {len(present)}.",
                    )
                axes += [
                    Axis(f"{setting}_{part + 1}", section, setting, part, True, dimension)
                    for part, dimension in enumerate(found)
                ]
        if not axes:
            raise ConfigurationError(
                "The search space is empty: no setting of the network or the training is searched.",
                "Name at least one, for instance `[training] learning_rate = [1e-4, 3e-4, 1e-3]`.",
            )
        return tuple(axes)


def load_space(path: Path | None = None) -> SearchSpace:
    """Read a search space.

    Parameters
    ----------
    path : pathlib.Path, optional
        TOML file; by default the space that is shipped.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is not TOML, or names what cannot be searched.
    """
    try:
        text = files(__package__).joinpath(_DEFAULT).read_text() if path is None else path.read_text(encoding="utf-8")
        return SearchSpace.model_validate(tomllib.loads(text))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The search space {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The search space {path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        raise ConfigurationError(
            f"The search space {path} cannot be used: {'; '.join(map(_words, error.errors()))}.",
            f"What can be searched: {_searchable()}.",
        ) from error


def apply_values(
    axes: tuple[Axis, ...], values: Mapping[str, int | float], network: NetworkSettings, training: TrainingSettings
) -> tuple[NetworkSettings, TrainingSettings]:
    """Return the settings with some of their values replaced.

    Parameters
    ----------
    axes : tuple of Axis
    values : mapping
        By the names of `axes`.
    network : NetworkSettings
    training : TrainingSettings

    Returns
    -------
    NetworkSettings
    TrainingSettings
    """
    found = {"network": network.model_dump(), "training": training.model_dump()}
    for axis in axes:
        section, value = found[axis.section], values[axis.name]
        if axis.part is None:
            section[axis.setting] = value
        else:
            parts = list(section[axis.setting])
            parts[axis.part] = value
            section[axis.setting] = tuple(parts)
    return NetworkSettings.model_validate(found["network"]), TrainingSettings.model_validate(found["training"])


def _idle(setting: str, network: NetworkSettings) -> bool:
    """Return whether a setting is of an input that the network does not have."""
    node = {"scalar_units": "scalars", "xp_units": "xp"}.get(setting)
    return node is not None and node not in network.inputs


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _words(error: Any) -> str:
    """Return one of pydantic's errors as a sentence without its jargon."""
    place = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place} is unknown, or cannot be searched"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"


def _searchable() -> str:
    sections = (("network", NetworkSpace), ("training", TrainingSpace))
    return "; ".join(f"[{name}] {', '.join(model.model_fields)}" for name, model in sections)
