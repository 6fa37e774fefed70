"""Convolution layers, written for one group of stars: as many as a vector has lanes.

Data lie as Keras flattens them, positions outside, channels inside, each number a row. Sums are kept in registers
while they grow; how many at a time follows from the number of registers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.compiled.bilinear import INNER, Bilinear, outer
from catalog.ensemble.runtimes.compiled.lanes import Lanes, Machine, largest_divisor
from catalog.ensemble.runtimes.compiled.matrices import columns_times, rows_times

__all__ = ["Convolution", "FirstConvolution"]

_TILES = 3
"""Tiles that share each weight while it is in a register."""


@dataclass(frozen=True)
class _Layer:
    """A convolution, max pooling after it, and the activation."""

    name: str
    taps: int
    channels: int
    """Of its input."""
    filters: int
    pool: int
    slope: float
    machine: Machine

    def _write_out(self, lanes: Lanes, sums: Sequence[Any], bias: Any, out: Any) -> None:
        """Pool, activate and store the sums of one filter at consecutive positions."""
        for i in range(0, len(sums), self.pool):
            value = sums[i]
            for other in sums[i + 1 : i + self.pool]:
                value = lanes.larger(value, other)
            value = lanes.leaky_relu(lanes.add(value, bias), self.slope)
            lanes.store(value, lanes.rows(out, i // self.pool * self.filters))


@dataclass(frozen=True)
class FirstConvolution(_Layer):
    """A convolution of a single channel, by its definition: there is little to multiply."""

    scratch = 0

    @property
    def tile(self) -> int:
        """Positions that are computed at a time."""
        return self.pool * -(-4 // self.pool)

    def tiles(self, positions: int) -> int:
        """Return the tiles that cover so many positions."""
        return -(-positions // self.tile)

    def reach(self, tiles: int) -> int:
        """Return the positions of the input that so many tiles read."""
        return tiles * self.tile + self.taps - 1

    @property
    def _filters_at_once(self) -> int:
        return largest_divisor(self.filters, max(1, self.machine.registers // 2 // self.tile))

    def pack(self, kernel: np.ndarray) -> np.ndarray:
        """Order the weights as they are read: shape (…, taps, filters at once)."""
        parts = kernel[:, 0].reshape(self.taps, -1, self._filters_at_once)
        return parts.transpose(1, 0, 2).astype(np.float32)

    def write(self, lanes: Lanes) -> None:
        """Write ``name(x, out, weights, bias, scratch, tiles)``."""
        at_once, tile = self._filters_at_once, self.tile
        with (
            lanes.function(self.name, 5, 1) as (x, out, weights, bias, _, tiles),
            lanes.loop(tiles) as t,
            lanes.loop(self.filters // at_once) as part,
        ):
            here = lanes.rows(x, (t, tile))
            there = lanes.rows(out, (t, tile // self.pool * self.filters), (part, at_once))
            w = lanes.floats(weights, (part, self.taps * at_once))
            sums = [[lanes.constant(0.0)] * tile for _ in range(at_once)]
            for k in range(self.taps):
                spread = [lanes.spread(lanes.floats(w, k * at_once + f)) for f in range(at_once)]
                for position in range(tile):
                    value = lanes.load(lanes.rows(here, position + k))
                    for f in range(at_once):
                        sums[f][position] = lanes.multiply_add(value, spread[f], sums[f][position])
            for f in range(at_once):
                self._write_out(
                    lanes, sums[f], lanes.spread(lanes.floats(bias, (part, at_once), f)), lanes.rows(there, f)
                )


@dataclass(frozen=True)
class Convolution(_Layer):
    """A convolution over many channels, by a bilinear scheme nested in another.

    The taps are taken in blocks of four; the outer scheme runs over blocks, the inner one inside them. A tile is
    what the outer scheme yields.
    """

    @property
    def _outer(self) -> Bilinear:
        return outer(-(-self.taps // INNER.taps))

    @property
    def tile(self) -> int:
        """Positions of a tile."""
        return self._outer.outputs * INNER.outputs

    def tiles(self, positions: int) -> int:
        """Return the tiles that cover so many positions: tiles go several at a time."""
        return -(-positions // (self.tile * _TILES)) * _TILES

    def reach(self, tiles: int) -> int:
        """Return the positions of the input that so many tiles read."""
        return tiles * self.tile + (self._outer.taps - 1) * INNER.outputs + INNER.taps - 1

    @property
    def _filters_at_once(self) -> int:
        return largest_divisor(self.filters, 8 if self.machine.registers >= 32 else 4)

    @property
    def _blocks(self) -> int:
        """Blocks of four positions whose transforms are needed at a time."""
        return self._outer.outputs * _TILES + self._outer.taps - 1

    @property
    def scratch(self) -> int:
        """Rows of working memory: transforms of blocks, and products of tiles."""
        products = INNER.products * self._outer.products
        return self._blocks * INNER.products * self.channels + _TILES * products * self._filters_at_once

    def pack(self, kernel: np.ndarray) -> np.ndarray:
        """Transform the weights and order them as they are read."""
        taps = np.zeros((self._outer.taps * INNER.taps, self.channels, self.filters))
        taps[: self.taps] = kernel
        nested = np.kron(self._outer.g, INNER.g)
        factors = (nested @ taps.reshape(len(taps), -1)).reshape(
            self._outer.products, INNER.products, self.channels, self.filters
        )
        parts = factors.reshape(*factors.shape[:3], -1, self._filters_at_once)
        return np.moveaxis(parts, 3, 0).astype(np.float32)

    def write(self, lanes: Lanes) -> None:
        """Write ``name(x, out, weights, bias, scratch, tiles)``."""
        with lanes.function(self.name, 5, 1) as (x, out, weights, bias, scratch, tiles):
            at_once, scheme = self._filters_at_once, self._outer
            transformed = scratch
            products = lanes.rows(scratch, self._blocks * INNER.products * self.channels)
            with lanes.loop(tiles, _TILES) as t:
                self._transform(lanes, lanes.rows(x, (t, self.tile * self.channels)), transformed)
                there = lanes.rows(out, (t, self.tile // self.pool * self.filters))
                with lanes.loop(self.filters // at_once) as part:
                    size = scheme.products * INNER.products * self.channels * at_once
                    self._multiply(lanes, transformed, lanes.floats(weights, (part, size)), products)
                    self._gather(
                        lanes, products, lanes.floats(bias, (part, at_once)), lanes.rows(there, (part, at_once))
                    )

    def _transform(self, lanes: Lanes, x: Any, transformed: Any) -> None:
        """Take the inner scheme's combinations of each block and channel."""
        width = INNER.outputs + INNER.taps - 1
        with lanes.loop(self._blocks) as block, lanes.loop(self.channels) as channel:
            here = lanes.rows(x, (block, INNER.outputs * self.channels), (channel, 1))
            values = [lanes.load(lanes.rows(here, k * self.channels)) for k in range(width)]
            there = lanes.rows(transformed, (block, INNER.products * self.channels), (channel, 1))
            for p, value in enumerate(rows_times(lanes, INNER.b, values)):
                lanes.store(value, lanes.rows(there, p * self.channels))

    def _multiply(self, lanes: Lanes, transformed: Any, weights: Any, products: Any) -> None:
        """Multiply with the weights and add up over channels: nearly all of the work is here."""
        at_once, scheme = self._filters_at_once, self._outer
        size = INNER.products * self.channels
        for branch, row in enumerate(scheme.b):
            used = [(block, c) for block, c in enumerate(row) if c]
            with lanes.loop(INNER.products) as p:
                here = lanes.rows(transformed, (p, self.channels))
                w = lanes.floats(weights, branch * size * at_once, (p, self.channels * at_once))
                with lanes.accumulate(self.channels, _TILES * at_once) as (channel, sums):
                    values = []
                    for tile in range(_TILES):
                        blocks = [
                            lanes.load(lanes.rows(here, (channel, 1), (tile * scheme.outputs + block) * size))
                            for block, _ in used
                        ]
                        values.append(lanes.combine([c for _, c in used], blocks))
                    for f in range(at_once):
                        weight = lanes.spread(lanes.floats(w, (channel, at_once), f))
                        for tile in range(_TILES):
                            place = tile * at_once + f
                            sums[place] = lanes.multiply_add(values[tile], weight, sums[place])
                for tile in range(_TILES):
                    for f in range(at_once):
                        place = (tile * scheme.products + branch) * INNER.products * at_once + f
                        lanes.store(sums[tile * at_once + f], lanes.rows(products, (p, at_once), place))

    def _gather(self, lanes: Lanes, products: Any, bias: Any, out: Any) -> None:
        """Make outputs of the products."""
        at_once, scheme = self._filters_at_once, self._outer
        with lanes.loop(_TILES) as tile, lanes.loop(at_once) as f:
            here = lanes.rows(products, (tile, scheme.products * INNER.products * at_once), (f, 1))
            there = lanes.rows(out, (tile, self.tile // self.pool * self.filters), (f, 1))
            blocks = []
            for p in range(INNER.products):
                branches = [
                    lanes.load(lanes.rows(here, (branch * INNER.products + p) * at_once))
                    for branch in range(scheme.products)
                ]
                blocks.append(columns_times(lanes, scheme.a, branches))
            sums: list[Any] = []
            for block in zip(*blocks, strict=True):
                sums.extend(columns_times(lanes, INNER.a, block))
            self._write_out(lanes, sums, lanes.spread(lanes.floats(bias, (f, 1))), there)
