"""Dense layers, written for one group of stars: as many as a vector has lanes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.compiled.lanes import Lanes, Machine, largest_divisor

__all__ = ["Dense"]

_TERMS = 128
"""Products that are added up before they are added to the rest: rounding errors grow with this number."""


@dataclass(frozen=True)
class Dense:
    """A dense layer and the activation after it."""

    name: str
    inputs: int
    units: int
    slope: float
    machine: Machine

    @property
    def _units_at_once(self) -> int:
        return largest_divisor(self.units, 16 if self.machine.registers >= 32 else 8)

    def pack(self, kernel: np.ndarray) -> np.ndarray:
        """Order the weights as they are read: shape (…, inputs, units at once)."""
        return kernel.reshape(self.inputs, -1, self._units_at_once).transpose(1, 0, 2).astype(np.float32)

    def write(self, lanes: Lanes) -> None:
        """Write ``name(x, out, weights, bias)``."""
        at_once = self._units_at_once
        whole, rest = divmod(self.inputs, _TERMS)
        with lanes.function(self.name, 4) as (x, out, weights, bias), lanes.loop(self.units // at_once) as part:
            w = lanes.floats(weights, (part, self.inputs * at_once))
            there = lanes.rows(out, (part, at_once))
            for f in range(at_once):
                lanes.store(lanes.spread(lanes.floats(bias, (part, at_once), f)), lanes.rows(there, f))
            if whole:
                with lanes.loop(whole) as block:
                    here = lanes.rows(x, (block, _TERMS))
                    self._add(lanes, here, lanes.floats(w, (block, _TERMS * at_once)), there, _TERMS)
            if rest:
                here = lanes.rows(x, whole * _TERMS)
                self._add(lanes, here, lanes.floats(w, whole * _TERMS * at_once), there, rest)
            for f in range(at_once):
                place = lanes.rows(there, f)
                lanes.store(lanes.leaky_relu(lanes.load(place), self.slope), place)

    def _add(self, lanes: Lanes, x: Any, weights: Any, out: Any, terms: int) -> None:
        at_once = self._units_at_once
        with lanes.accumulate(terms, at_once) as (i, sums):
            value = lanes.load(lanes.rows(x, (i, 1)))
            for f in range(at_once):
                weight = lanes.spread(lanes.floats(weights, (i, at_once), f))
                sums[f] = lanes.multiply_add(value, weight, sums[f])
        for f in range(at_once):
            place = lanes.rows(out, f)
            lanes.store(lanes.add(lanes.load(place), sums[f]), place)
