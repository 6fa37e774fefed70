"""What happened to stars on their way from survey rows to features: nothing is dropped silently."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["FeatureReport"]

_EXAMPLES = 3


@dataclass
class FeatureReport:
    """Counts and examples of repaired and rejected stars, filled while features are read."""

    n_stars: int = 0
    """Stars that have features."""
    n_repaired: int = 0
    """Stars of which at least one pixel was replaced."""
    n_pixels: int = 0
    """Pixels that were replaced."""
    n_fallback: int = 0
    """Stars without any valid continuum pixel: all their valid pixels gave the replacement."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Stars without features, by reason."""
    examples: dict[str, list[int]] = field(default_factory=dict)
    """Some source_ids of each reason."""

    def reject(self, reason: str, source_id: np.ndarray, n: int | None = None) -> None:
        """Record stars that have no features.

        Parameters
        ----------
        reason : str
        source_id : numpy.ndarray
            Their ids, or some of them.
        n : int, optional
            How many they are; by default as many as ids are given.
        """
        n = len(source_id) if n is None else n
        if n:
            self.rejected[reason] += n
            known = self.examples.setdefault(reason, [])
            known.extend(int(i) for i in source_id[: _EXAMPLES - len(known)])

    def values(self) -> dict[str, Any]:
        """Return what JSON can hold of it, for another process to `add`."""
        return vars(self) | {"rejected": dict(self.rejected)}

    def add(self, values: Mapping[str, Any]) -> None:
        """Count the stars of another report, given as its `values`, as well."""
        for name in ("n_stars", "n_repaired", "n_pixels", "n_fallback"):
            setattr(self, name, getattr(self, name) + values[name])
        for reason, n in values["rejected"].items():
            self.reject(reason, np.asarray(values["examples"][reason], dtype=np.int64), n)

    @property
    def n_rejected(self) -> int:
        """Stars without features."""
        return self.rejected.total()

    def notes(self) -> list[str]:
        """Return sentences on what a person should know."""
        lines = []
        for reason, n in sorted(self.rejected.items()):
            ids = ", ".join(map(str, self.examples[reason]))
            some = f"for instance {ids}" if n > len(self.examples[reason]) else ids
            lines.append(f"{n} {'star' if n == 1 else 'stars'} left out: {reason} ({some}).")
        if self.n_fallback:
            lines.append(
                f"{self.n_fallback} spectra have no valid pixel in the continuum regions: the third quartile of all "
                "their valid pixels fills their gaps."
            )
        return lines
