"""Where everything lies, and in which order it is computed, for the convolution blocks of one kind of network."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.compiled.convolution import FirstConvolution
from catalog.ensemble.runtimes.compiled.lanes import Lanes, Machine
from catalog.ensemble.runtimes.compiled.steps import copy_rows
from catalog.ensemble.runtimes.layers import UnsupportedNetworkError
from catalog.ensemble.training.kernels.backward import (
    FirstWeightGradient,
    KeptConvolution,
    MirroredConvolution,
    Unpooling,
    WeightGradient,
)
from catalog.profiles.model import NetworkSettings

__all__ = ["Block", "Plan", "plan_blocks"]

_STRIP = 6
"""Tiles of a strip: what passes between the first two blocks stays in the cache."""


@dataclass
class _Memory:
    """Rows that are given out one after the other."""

    rows: int = 0

    def take(self, rows: int, before: int = 0) -> int:
        """Return the first of so many rows, behind `before` others."""
        first = self.rows + before
        self.rows = first + rows
        return first


@dataclass(frozen=True)
class Block:
    """Shapes of a convolution, max pooling and activation."""

    number: int
    """Counted from 1."""
    taps: int
    channels: int
    filters: int
    pool: int
    slope: float
    positions: int
    """Of the convolution's output."""

    @property
    def pooled(self) -> int:
        """Positions of the block's output."""
        return self.positions // self.pool


def plan_blocks(n_pixels: int, settings: NetworkSettings) -> tuple[Block, ...]:
    """Return the blocks of a network.

    Raises
    ------
    UnsupportedNetworkError
        There are no kernels for such blocks.
    """
    if settings.padding != "valid":
        raise UnsupportedNetworkError("the convolutions pad their input")
    if len(settings.filters) < 2 or 1 in settings.pool_after:
        raise UnsupportedNetworkError("the first convolution is not followed by a second one at once")
    if settings.pool_after and settings.pool_size != 2:
        raise UnsupportedNetworkError(f"positions are pooled by {settings.pool_size}")
    if not 0.0 <= settings.leaky_slope <= 1.0:
        raise UnsupportedNetworkError(f"the activation has the slope {settings.leaky_slope} below zero")
    blocks: list[Block] = []
    length, channels = n_pixels, 1
    for number, filters in enumerate(settings.filters, start=1):
        positions = length - settings.kernel_size + 1
        pool = settings.pool_size if number in settings.pool_after else 1
        if positions < pool:
            raise UnsupportedNetworkError(f"block {number} has no position left")
        blocks.append(Block(number, settings.kernel_size, channels, filters, pool, settings.leaky_slope, positions))
        length, channels = blocks[-1].pooled, filters
    return tuple(blocks)


class Plan:
    """Places in memory and kernels for a group of stars.

    Two kinds of memory: *kept*, of each group of a batch, from the way forwards to the way back; *scratch*, of one
    group at a time. The output of the first block is the largest array by far: it is never kept but computed again,
    strip by strip, on the way back.

    Parameters
    ----------
    n_pixels : int
    blocks : tuple of Block
    machine : Machine
    """

    def __init__(self, n_pixels: int, blocks: tuple[Block, ...], machine: Machine) -> None:
        self.machine, self.n_pixels, self.blocks = machine, n_pixels, blocks
        first, second, taps = blocks[0], blocks[1], blocks[0].taps
        self.kernels: dict[str, Any] = {}
        self.strip = 0
        self._kernels(0)
        conv, mirrored = self.kernels["conv_2"], self.kernels["mirrored_2"]
        self.strip = min(_STRIP * conv.tile, conv.tiles(max(first.positions, second.positions)) * conv.tile)
        self._kernels(0)
        self.strips = -(-first.positions // self.strip)
        reach = max(conv.reach(self.strip // conv.tile), self.kernels["gradient_2"].reach(self.strip))
        self.first_tiles = self.kernels["conv_1"].tiles(reach)
        self.halo = -(-(taps - 1) // second.pool) * second.pool
        """Positions before a strip that its gradient needs."""

        kept, scratch = _Memory(), _Memory()
        self.x = kept.take((self.strips - 1) * self.strip + self.kernels["conv_1"].reach(self.first_tiles))
        self.outputs, self.numbers, self.gradients, self.wide = {}, {}, {}, {}
        for block in blocks[1:]:
            size, before = self._room(block), self.halo // second.pool * second.filters if block is second else 0
            self.outputs[block.number] = kept.take(size, before)
            if block.pool > 1:
                self.numbers[block.number] = kept.take(size, before)
            self.gradients[block.number] = scratch.take(size, before)
        self.kept, keep = kept.rows, self.numbers
        # The distance from an output to its number is part of the kernel.
        distances = {number: keep[number] - self.outputs[number] for number in keep}
        for number, distance in distances.items():
            self._kernels(distance, only=number)
        for block in blocks[2:]:
            reach = self.kernels[f"mirrored_{block.number}"].reach
            tiles = self._tiles_back(block)
            # The gradient of the weights takes positions four at a time.
            needed = max(reach(tiles), block.positions + taps + 2)
            self.wide[block.number] = scratch.take(needed * block.filters)
        tiles = self.strip // mirrored.tile
        self.wide[2] = scratch.take(max(mirrored.reach(tiles) + self.halo, self.strip + self.halo) * second.filters)
        outputs = self.first_tiles * self.kernels["conv_1"].tile
        self.strip_output = scratch.take(outputs * first.filters)
        self.strip_gradient = scratch.take(self.strip * first.filters)
        self.wide[1] = scratch.take(self.strip * first.filters)
        self.working = scratch.take(max(kernel.scratch for kernel in self.kernels.values()))
        self.scratch = scratch.rows

    def _kernels(self, keep: int, only: int | None = None) -> None:
        machine = self.machine
        for block in self.blocks:
            number = block.number
            if only not in (None, number):
                continue
            shape = block.taps, block.channels, block.filters, block.pool, block.slope, machine
            if number == 1:
                self.kernels["conv_1"] = FirstConvolution("conv_1", *shape)
            else:
                name = f"mirrored_{number}"
                self.kernels[f"conv_{number}"] = KeptConvolution(f"conv_{number}", *shape, keep=keep)
                self.kernels[name] = MirroredConvolution(
                    name, block.taps, block.filters, block.channels, 1, 1.0, machine
                )
            name = f"unpool_{number}"
            self.kernels[name] = Unpooling(name, block.filters, block.pool, block.slope)
            name = f"gradient_{number}"
            sizes = block.taps, block.channels, block.filters, machine
            if number == 1:
                self.kernels[name] = FirstWeightGradient(name, *sizes)
            else:
                longest = self.strip if number == 2 else block.pooled * block.pool
                self.kernels[name] = WeightGradient(name, *sizes, longest=longest)

    def _tiles(self, block: Block) -> int:
        """Return the tiles of a block's convolution, forwards."""
        return int(self.kernels[f"conv_{block.number}"].tiles(block.positions))

    def _tiles_back(self, block: Block) -> int:
        """Return the tiles of the gradient with respect to a block's input."""
        return int(self.kernels[f"mirrored_{block.number}"].tiles(self.blocks[block.number - 2].pooled))

    def _room(self, block: Block) -> int:
        """Return the rows of a block's output: all that is written there and read of it."""
        if block.number == 2:
            end = self.strips * self.strip // block.pool
        else:
            end = self._tiles(block) * self.kernels[f"conv_{block.number}"].tile // block.pool
        if block.number < len(self.blocks):
            following = self.blocks[block.number]
            convolution, mirrored = (self.kernels[f"{kind}_{following.number}"] for kind in ("conv", "mirrored"))
            end = max(end, convolution.reach(self._tiles(following)), self._tiles_back(following) * mirrored.tile)
            end = max(end, self.kernels[f"gradient_{following.number}"].reach(following.positions))
        return end * block.filters

    @cached_property
    def weights(self) -> dict[str, tuple[int, int]]:
        """First float and number of floats of the weights of each kernel; the bias lies behind them."""
        places, n = {}, 0
        for block in self.blocks:
            shape = block.taps, block.channels, block.filters
            for name in (f"conv_{block.number}", f"mirrored_{block.number}"):
                if name in self.kernels:
                    size = self.kernels[name].pack(np.zeros(shape)).size
                    places[name] = n, size
                    n += size + self.kernels[name].filters
        return places

    @cached_property
    def sums(self) -> dict[int, tuple[int, int]]:
        """First row of the gradients of each block's weights, and of its bias."""
        places, n = {}, 0
        for block in self.blocks:
            size = self.kernels[f"gradient_{block.number}"].sums
            places[block.number] = n, n + size
            n += size + block.filters
        return places

    @property
    def n_sums(self) -> int:
        """Rows of all gradients."""
        last = self.blocks[-1]
        return self.sums[last.number][1] + last.filters

    @property
    def n_weights(self) -> int:
        """Floats of all weights."""
        return max(first + size + self.kernels[name].filters for name, (first, size) in self.weights.items())

    @property
    def n_outputs(self) -> int:
        """Numbers of the last block's output for one star."""
        return self.blocks[-1].pooled * self.blocks[-1].filters

    def pack(self, weights: list[np.ndarray]) -> np.ndarray:
        """Return kernels and biases, in the order of the blocks, as the functions read them."""
        packed = np.zeros(self.n_weights, dtype=np.float32)
        for block in self.blocks:
            kernel, bias = weights[2 * block.number - 2 : 2 * block.number]
            for name in (f"conv_{block.number}", f"mirrored_{block.number}"):
                if name in self.kernels:
                    first, size = self.weights[name]
                    packed[first : first + size] = self.kernels[name].pack(kernel).ravel()
                    if name.startswith("conv"):
                        packed[first + size : first + size + block.filters] = bias
        return packed

    def write(self) -> str:
        """Return both functions in LLVM's language.

        ``forwards(x, weights, kept, scratch, out, groups)`` and
        ``backwards(gradient, weights, kept, scratch, sums, groups)``.
        """
        lanes = Lanes(self.machine.lanes)
        for kernel in self.kernels.values():
            kernel.write(lanes)
        with lanes.function("forwards", 5, 1) as (x, weights, kept, scratch, out, groups), lanes.loop(groups) as group:
            here = lanes.rows(kept, (group, self.kept))
            copy_rows(lanes, lanes.rows(x, (group, self.n_pixels)), lanes.rows(here, self.x), self.n_pixels)
            self._write_forwards(lanes, weights, here, scratch)
            result = lanes.rows(here, self.outputs[len(self.blocks)])
            copy_rows(lanes, result, lanes.rows(out, (group, self.n_outputs)), self.n_outputs)
        with (
            lanes.function("backwards", 5, 1) as (gradient, weights, kept, scratch, sums, groups),
            lanes.loop(groups) as group,
        ):
            source = lanes.rows(gradient, (group, self.n_outputs))
            copy_rows(lanes, source, lanes.rows(scratch, self.gradients[len(self.blocks)]), self.n_outputs)
            self._write_backwards(lanes, weights, lanes.rows(kept, (group, self.kept)), scratch, sums)
        return str(lanes.module)

    def _convolve(self, lanes: Lanes, name: str, weights: Any, scratch: Any, x: Any, out: Any, tiles: int) -> None:
        first, size = self.weights[name]
        working = lanes.rows(scratch, self.working)
        lanes.call(name, x, out, lanes.floats(weights, first), lanes.floats(weights, first + size), working, tiles)

    def _write_forwards(self, lanes: Lanes, weights: Any, kept: Any, scratch: Any) -> None:
        second = self.blocks[1]
        between = lanes.rows(scratch, self.strip_output)
        step = self.strip // second.pool * second.filters
        tiles = self.strip // self.kernels["conv_2"].tile
        with lanes.loop(self.strips) as strip:
            x = lanes.rows(kept, self.x, (strip, self.strip))
            self._convolve(lanes, "conv_1", weights, scratch, x, between, self.first_tiles)
            out = lanes.rows(kept, self.outputs[2], (strip, step))
            self._convolve(lanes, "conv_2", weights, scratch, between, out, tiles)
        if 2 in self.numbers:
            # Positions beyond the end were computed as well: nothing may come back from them.
            self._zeros(lanes, lanes.rows(kept, self.numbers[2]), second)
        for block in self.blocks[2:]:
            x, out = (lanes.rows(kept, self.outputs[block.number - i]) for i in (1, 0))
            self._convolve(lanes, f"conv_{block.number}", weights, scratch, x, out, self._tiles(block))

    def _write_backwards(self, lanes: Lanes, weights: Any, kept: Any, scratch: Any, sums: Any) -> None:
        for block in reversed(self.blocks[2:]):
            number, padding = block.number, (block.taps - 1) * block.filters
            gradient = lanes.rows(scratch, self.gradients[number])
            known = self.numbers.get(number, self.outputs[number])
            wide = lanes.rows(scratch, self.wide[number])
            inner = lanes.rows(wide, padding)
            lanes.call(f"unpool_{number}", gradient, lanes.rows(kept, known), inner, block.pooled)
            x = lanes.rows(kept, self.outputs[number - 1])
            self._add_up(lanes, block, x, inner, sums, scratch, block.pooled * block.pool)
            before = lanes.rows(scratch, self.gradients[number - 1])
            self._convolve(lanes, f"mirrored_{number}", weights, scratch, wide, before, self._tiles_back(block))
        first, second = self.blocks[:2]
        if second.pool == 1:
            self._zeros(lanes, lanes.rows(scratch, self.gradients[2]), second)
        step = self.strip // second.pool * second.filters
        before = -(self.halo // second.pool * second.filters)
        known = self.numbers.get(2, self.outputs[2])
        wide = lanes.rows(scratch, self.wide[2])
        inner = lanes.rows(wide, self.halo * second.filters)
        output, gradient, narrow = (
            lanes.rows(scratch, place) for place in (self.strip_output, self.strip_gradient, self.wide[1])
        )
        with lanes.loop(self.strips) as strip:
            x = lanes.rows(kept, self.x, (strip, self.strip))
            places = (scratch, self.gradients[2]), (kept, known)
            arguments = [lanes.rows(memory, place + before, (strip, step)) for memory, place in places]
            lanes.call("unpool_2", *arguments, wide, (self.strip + self.halo) // second.pool)
            self._convolve(lanes, "conv_1", weights, scratch, x, output, self.first_tiles)
            self._add_up(lanes, second, output, inner, sums, scratch, self.strip)
            source = lanes.rows(wide, (self.halo - second.taps + 1) * second.filters)
            tiles = self.strip // self.kernels["mirrored_2"].tile
            self._convolve(lanes, "mirrored_2", weights, scratch, source, gradient, tiles)
            lanes.call("unpool_1", gradient, output, narrow, self.strip)
            self._add_up(lanes, first, x, narrow, sums, scratch, self.strip)

    def _add_up(
        self, lanes: Lanes, block: Block, x: Any, gradient: Any, sums: Any, scratch: Any, positions: int
    ) -> None:
        weights, bias = (lanes.rows(sums, place) for place in self.sums[block.number])
        working = lanes.rows(scratch, self.working)
        lanes.call(f"gradient_{block.number}", x, gradient, weights, bias, working, positions)

    def _zeros(self, lanes: Lanes, place: Any, block: Block) -> None:
        """Write zeros behind the last position of what belongs to a block's output."""
        end = block.pooled * block.filters
        if self._room(block) > end:
            with lanes.loop(self._room(block) - end) as i:
                lanes.store(lanes.constant(0.0), lanes.rows(place, end, (i, 1)))
