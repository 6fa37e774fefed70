"""What goes backwards: gradients through pooling and activation, and those of weights.

Written for one group of stars, as many as a vector has lanes; data lie as in `catalog.ensemble.runtimes.compiled`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.compiled.bilinear import INNER
from catalog.ensemble.runtimes.compiled.convolution import Convolution
from catalog.ensemble.runtimes.compiled.lanes import Lanes, Machine, largest_divisor
from catalog.ensemble.runtimes.compiled.matrices import rows_times

__all__ = ["FirstWeightGradient", "KeptConvolution", "MirroredConvolution", "Unpooling", "WeightGradient"]


@dataclass(frozen=True)
class KeptConvolution(Convolution):
    """A convolution that keeps what its gradient needs of pooling and activation, a number for each output.

    Its size is the activation's slope; it is negative where the second position of the pool was the larger one.
    """

    keep: int = 0
    """Rows from an output to its number."""

    def _write_out(self, lanes: Lanes, sums: Sequence[Any], bias: Any, out: Any) -> None:
        if self.pool == 1:
            super()._write_out(lanes, sums, bias, out)
            return
        build = lanes.builder
        for i, (first, second) in enumerate(zip(sums[::2], sums[1::2], strict=True)):
            later = build.fcmp_ordered(">", second, first)
            value = lanes.add(build.select(later, second, first), bias)
            positive = build.fcmp_ordered(">", value, lanes.constant(0.0))
            size = build.select(positive, lanes.constant(1.0), lanes.constant(self.slope))
            kept = build.select(later, build.fneg(size), size)
            lanes.store(build.fmul(value, size), lanes.rows(out, i * self.filters))
            lanes.store(kept, lanes.rows(out, i * self.filters + self.keep))


@dataclass(frozen=True)
class MirroredConvolution(Convolution):
    """The gradient of a convolution with respect to its input: a convolution again, with mirrored weights.

    Its input begins ``taps - 1`` zeros before the gradient of the outputs; `channels` and `filters` are exchanged.
    """

    def pack(self, kernel: np.ndarray) -> np.ndarray:
        """Order the weights of the convolution itself, shape (taps, filters, channels), as they are read."""
        return super().pack(kernel[::-1].transpose(0, 2, 1))


@dataclass(frozen=True)
class Unpooling:
    """The gradient through max pooling and activation."""

    name: str
    filters: int
    pool: int
    slope: float
    scratch = 0

    def write(self, lanes: Lanes) -> None:
        """Write ``name(gradient, kept, out, positions)``; `kept` holds the outputs where there is no pooling."""
        at_once = largest_divisor(self.filters, 8)
        build_zero, one = lanes.constant(0.0), lanes.constant(1.0)
        with (
            lanes.function(self.name, 3, 1) as (gradient, kept, out, positions),
            lanes.loop(positions) as t,
            lanes.loop(self.filters // at_once) as part,
        ):
            build = lanes.builder
            here = (t, self.filters), (part, at_once)
            there = lanes.rows(out, (t, self.filters * self.pool), (part, at_once))
            for f in range(at_once):
                value = lanes.load(lanes.rows(gradient, *here, f))
                known = lanes.load(lanes.rows(kept, *here, f))
                positive = build.fcmp_ordered(">", known, build_zero)
                if self.pool == 1:
                    slope = build.select(positive, one, lanes.constant(self.slope))
                    lanes.store(build.fmul(value, slope), lanes.rows(there, f))
                    continue
                first = build.fmul(value, build.select(positive, known, build_zero))
                second = build.fmul(value, build.select(positive, build_zero, build.fneg(known)))
                lanes.store(first, lanes.rows(there, f))
                lanes.store(second, lanes.rows(there, self.filters + f))


@dataclass(frozen=True)
class _WeightGradient:
    """The gradient of a convolution with respect to its weights: sums over positions, in every lane."""

    name: str
    taps: int
    channels: int
    filters: int
    machine: Machine

    def _write_bias(self, lanes: Lanes, gradient: Any, bias: Any, positions: Any) -> None:
        at_once = largest_divisor(self.filters, 8)
        with lanes.loop(self.filters // at_once) as part:
            with lanes.accumulate(positions, at_once) as (t, sums):
                here = lanes.rows(gradient, (t, self.filters), (part, at_once))
                sums[:] = [lanes.add(total, lanes.load(lanes.rows(here, f))) for f, total in enumerate(sums)]
            for f, total in enumerate(sums):
                _add_to(lanes, total, lanes.rows(bias, (part, at_once), f))


@dataclass(frozen=True)
class FirstWeightGradient(_WeightGradient):
    """That of a convolution of a single channel, by its definition."""

    scratch = 0
    unit = 1

    @property
    def sums(self) -> int:
        """Rows of the sums from which `weights` are made."""
        return self.taps * self.filters

    def weights(self, sums: np.ndarray) -> np.ndarray:
        """Return the gradient, shape (taps, 1, filters)."""
        return sums.reshape(self.taps, 1, self.filters)

    def reach(self, positions: int) -> int:
        """Return the positions of the input that are read for so many of the output."""
        return positions + self.taps - 1

    def write(self, lanes: Lanes) -> None:
        """Write ``name(x, gradient, weights, bias, scratch, positions)``, which adds to `weights` and `bias`."""
        taps_at_once = largest_divisor(self.taps, 8 if self.machine.registers >= 32 else 4)
        at_once = largest_divisor(self.filters, max(1, self.machine.registers // 2 // taps_at_once))
        with lanes.function(self.name, 5, 1) as (x, gradient, weights, bias, _, positions):
            with lanes.loop(self.taps // taps_at_once) as taps, lanes.loop(self.filters // at_once) as part:
                first = lanes.rows(x, (taps, taps_at_once))
                with lanes.accumulate(positions, taps_at_once * at_once) as (t, sums):
                    here = lanes.rows(gradient, (t, self.filters), (part, at_once))
                    values = [lanes.load(lanes.rows(here, f)) for f in range(at_once)]
                    for k in range(taps_at_once):
                        value = lanes.load(lanes.rows(first, (t, 1), k))
                        for f in range(at_once):
                            place = k * at_once + f
                            sums[place] = lanes.multiply_add(value, values[f], sums[place])
                there = lanes.rows(weights, (taps, taps_at_once * self.filters), (part, at_once))
                for k in range(taps_at_once):
                    for f in range(at_once):
                        _add_to(lanes, sums[k * at_once + f], lanes.rows(there, k * self.filters + f))
            self._write_bias(lanes, gradient, bias, positions)


@dataclass(frozen=True)
class WeightGradient(_WeightGradient):
    """That of a convolution over many channels, by the transpose of the bilinear scheme.

    Where the convolution is ``y = a ((g h) * (b x))``, the gradient of its taps is ``g^T ((a^T dy) * (b x))``: the
    products are added up over all positions, and the taps come last.
    """

    unit = INNER.outputs
    """Positions are taken so many at a time."""
    longest: int = 0
    """Positions that one call is given at most."""

    @property
    def _blocks(self) -> int:
        return -(-self.taps // INNER.taps)

    @property
    def _channels_at_once(self) -> int:
        return largest_divisor(self.channels, 4 if self.machine.registers >= 32 else 2)

    @property
    def _filters_at_once(self) -> int:
        return largest_divisor(self.filters, 4 if self.machine.registers >= 32 else 2)

    @property
    def sums(self) -> int:
        """Rows of the sums from which `weights` are made."""
        return self._blocks * INNER.products * self.channels * self.filters

    @property
    def scratch(self) -> int:
        """Rows of working memory: transforms of the gradient, and of some channels of the input."""
        units = -(-self.longest // self.unit)
        return INNER.products * (units * self.filters + (units + self._blocks - 1) * self._channels_at_once)

    def weights(self, sums: np.ndarray) -> np.ndarray:
        """Return the gradient, shape (taps, channels, filters)."""
        products = sums.reshape(self._blocks, INNER.products, self.channels * self.filters)
        taps = np.matmul(np.array(INNER.g, dtype=np.float32).T, products)
        return taps.reshape(-1, self.channels, self.filters)[: self.taps]

    def reach(self, positions: int) -> int:
        """Return the positions of the input that are read for so many of the output."""
        return (-(-positions // self.unit) + self._blocks - 1) * self.unit + INNER.taps - 1

    def write(self, lanes: Lanes) -> None:
        """Write ``name(x, gradient, weights, bias, scratch, positions)``, which adds to `weights` and `bias`."""
        with lanes.function(self.name, 5, 1) as (x, gradient, weights, bias, scratch, positions):
            build, at_once = lanes.builder, self._channels_at_once
            more = build.add(positions, lanes.number(self.unit - 1))
            units = build.sdiv(more, lanes.number(self.unit))
            blocks = build.add(units, lanes.number(self._blocks - 1))
            transposed = list(zip(*INNER.a, strict=True))
            self._transform(lanes, gradient, scratch, units, self.filters, self.filters, transposed)
            inputs = lanes.rows(scratch, (units, INNER.products * self.filters))
            with lanes.loop(self.channels // at_once) as part:
                here = lanes.rows(x, (part, at_once))
                self._transform(lanes, here, inputs, blocks, self.channels, at_once, INNER.b)
                there = lanes.rows(weights, (part, at_once * self.filters))
                self._multiply(lanes, inputs, scratch, there, units)
            self._write_bias(lanes, gradient, bias, positions)

    def _transform(
        self, lanes: Lanes, x: Any, out: Any, units: Any, step: int, wanted: int, matrix: Sequence[Sequence[float]]
    ) -> None:
        """Take the scheme's combinations of `wanted` of `step` channels."""
        with lanes.loop(units) as unit, lanes.loop(wanted) as channel:
            here = lanes.rows(x, (unit, self.unit * step), (channel, 1))
            values = [lanes.load(lanes.rows(here, k * step)) for k in range(len(matrix[0]))]
            there = lanes.rows(out, (unit, INNER.products * wanted), (channel, 1))
            for p, value in enumerate(rows_times(lanes, matrix, values)):
                lanes.store(value, lanes.rows(there, p * wanted))

    def _multiply(self, lanes: Lanes, inputs: Any, gradients: Any, weights: Any, units: Any) -> None:
        """Multiply what the transforms gave and add up over positions: nearly all of the work is here."""
        channels, filters = self._channels_at_once, self._filters_at_once
        size = INNER.products * channels
        with (
            lanes.loop(self._blocks) as block,
            lanes.loop(INNER.products) as p,
            lanes.loop(self.filters // filters) as part,
        ):
            x = lanes.rows(inputs, (block, size), (p, channels))
            dy = lanes.rows(gradients, (p, self.filters), (part, filters))
            with lanes.accumulate(units, channels * filters) as (unit, sums):
                values = [lanes.load(lanes.rows(x, (unit, size), c)) for c in range(channels)]
                for f in range(filters):
                    value = lanes.load(lanes.rows(dy, (unit, INNER.products * self.filters), f))
                    for c in range(channels):
                        sums[c * filters + f] = lanes.multiply_add(values[c], value, sums[c * filters + f])
            step = self.channels * self.filters
            there = lanes.rows(weights, (block, INNER.products * step), (p, step), (part, filters))
            for c in range(channels):
                for f in range(filters):
                    _add_to(lanes, sums[c * filters + f], lanes.rows(there, c * self.filters + f))


def _add_to(lanes: Lanes, value: Any, place: Any) -> None:
    lanes.store(lanes.add(lanes.load(place), value), place)
