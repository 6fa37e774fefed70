"""What two runs differ in besides their stars: settings, ensemble, limits of the flag, software."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from catalog.profiles import Profile
from catalog.validation.against.sides import Side

__all__ = ["Differences", "differences", "flatten", "setting_words"]

Differences = dict[str, dict[str, tuple[Any, Any]]]
"""By group and name: the value in the run, and in the other one; None where it is not set."""

# What decides nothing about the catalogue, as in `Profile.key`.
_BESIDE = ("description", "expected_seconds", "prediction", "studies")


def differences(this: Side, other: Side) -> Differences:
    """Return all that two runs differ in.

    Parameters
    ----------
    this, other : Side
        Nothing is known of the published catalogue: it differs in nothing.

    Returns
    -------
    dict
        ``profile``, ``ensemble``, ``limits`` and ``software``; groups without a difference are left out. A setting of
        the ensemble that says what the profile says is told once.
    """
    if this.published or other.published:
        return {}
    profile = _differing(*(_settings(side.profile) for side in (this, other)))
    ensemble = _differing(*(_described(side) for side in (this, other)))
    groups = {
        "profile": profile,
        "ensemble": {name: pair for name, pair in ensemble.items() if profile.get(name) != pair},
        "limits": _differing(this.limits, other.limits),
        "software": _differing({"rvscat": this.version}, {"rvscat": other.version}),
    }
    return {group: found for group, found in groups.items() if found}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def setting_words(value: Any) -> str:
    """Return how people read a setting; of a checksum its beginning."""
    if value is None:
        return "not set"
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value[:12]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile's settings, those that its version of rvscat did not have yet by their default."""
    try:
        values = Profile.model_validate(stored).model_dump(mode="json")
    except ValidationError:
        # It has settings that there are no longer: they are told as they stand.
        values = dict(stored)
    return {name: value for name, value in values.items() if name not in _BESIDE}


def _described(side: Side) -> dict[str, Any]:
    # An ensemble's settings have the names that the profile gives them.
    settings = side.ensemble.get("settings") or {}
    return {**{name: value for name, value in side.ensemble.items() if name != "settings"}, **settings}


def _differing(this: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    a, b = flatten(this), flatten(other)
    return {name: (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}
