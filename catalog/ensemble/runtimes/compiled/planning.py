"""From layers to a program: every layer gets a kernel and a place in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.ensemble.runtimes.compiled.convolution import Convolution, FirstConvolution
from catalog.ensemble.runtimes.compiled.dense import Dense
from catalog.ensemble.runtimes.compiled.lanes import Machine
from catalog.ensemble.runtimes.compiled.program import Program
from catalog.ensemble.runtimes.compiled.steps import Call, Chain, Copy, Kernel, Zeros
from catalog.ensemble.runtimes.layers import Layer, UnsupportedNetworkError, same_padding

__all__ = ["plan_program"]

_STRIP = 6
"""Tiles of a chain's second layer in a strip: what passes between the layers then takes 170 kB at most."""


def plan_program(layers: Sequence[Layer], machine: Machine) -> Program:
    """Plan the program for a network.

    Parameters
    ----------
    layers : sequence of Layer
    machine : Machine

    Returns
    -------
    Program

    Raises
    ------
    UnsupportedNetworkError
        Layers follow one another in a way for which there is no kernel.
    """
    return _Planner(layers, machine).program


@dataclass(frozen=True)
class _Unit:
    """A layer with the pooling and activation that its kernel does as well."""

    kernel: Kernel
    layer: Layer
    last: Layer
    done: tuple[str, ...]
    """Names of all layers in it."""

    @property
    def positions(self) -> int:
        """Of the output before pooling."""
        assert not isinstance(self.kernel, Dense)
        return self.last.shape[0] * self.kernel.pool

    @property
    def before(self) -> int:
        """Zeros that the kernel reads before its input."""
        return same_padding(self.layer.taps)[0] if self.layer.same else 0


class _Planner:
    def __init__(self, layers: Sequence[Layer], machine: Machine) -> None:
        self.program = Program(machine)
        self._layers = {layer.name: layer for layer in layers}
        self._users = {name: [other for other in layers if name in other.sources] for name in self._layers}
        self._units = {layer.name: self._unit(layer) for layer in layers if layer.kind in ("conv", "dense")}
        self._first_row: dict[str, int] = {}
        """Of the output of each layer that has its place."""
        for layer in layers:
            if layer.name not in self._first_row:
                self._place(layer)
        self.program.labels = self._first_row[layers[-1].name], layers[-1].shape[0]
        kernels = [unit.kernel for unit in self._units.values()]
        self.program.scratch = max((kernel.scratch for kernel in kernels if isinstance(kernel, Convolution)), default=0)

    def _unit(self, layer: Layer) -> _Unit:
        pool, slope, done = 1, 1.0, [layer]
        while len(users := self._users[done[-1].name]) == 1:
            # Pooling before or after the activation is the same: it never falls.
            if users[0].kind == "max_pool" and layer.kind == "conv" and pool == 1:
                pool = users[0].pool
            elif users[0].kind == "leaky_relu" and slope == 1.0:
                slope = users[0].slope
            else:
                break
            done.append(users[0])
        kernel = self._kernel(layer, pool, slope)
        return _Unit(kernel, layer, done[-1], tuple(part.name for part in done))

    def _kernel(self, layer: Layer, pool: int, slope: float) -> Kernel:
        machine, source = self.program.machine, self._layers[layer.sources[0]].shape
        if layer.kind == "dense":
            return Dense(layer.name, source[0], layer.shape[0], slope, machine)
        kind = FirstConvolution if source[1] == 1 else Convolution
        kernel = kind(layer.name, layer.taps, source[1], layer.shape[1], pool, slope, machine)
        if kernel.tile % pool:
            raise UnsupportedNetworkError(f"layer {layer.name} is pooled by {pool}")
        return kernel

    def _place(self, layer: Layer) -> None:
        steps = self.program.steps
        if layer.kind == "input":
            self._first_row[layer.name] = self._room(layer, layer.shape[0])
            self.program.inputs.append((layer.name, self._first_row[layer.name], layer.shape[0]))
        elif layer.kind in ("channel", "flatten"):
            self._first_row[layer.name] = self._first_row[layer.sources[0]]
        elif layer.kind == "concatenate":
            row = self._first_row[layer.name] = self._room(layer, layer.shape[0])
            for source in layer.sources:
                steps.append(Copy(self._first_row[source], row, self._layers[source].shape[0]))
                row += self._layers[source].shape[0]
        elif layer.kind in ("conv", "dense"):
            unit = self._units[layer.name]
            following = self._chained(unit)
            if following is not None:
                self._place_chain(unit, following)
            else:
                self._place_alone(unit)
        else:
            raise UnsupportedNetworkError(f"layer {layer.name}, a {layer.kind}, follows no layer that does it as well")

    def _chained(self, unit: _Unit) -> _Unit | None:
        """Return the convolution that goes in turns with this one: only the first has an output so large."""
        if not isinstance(unit.kernel, FirstConvolution):
            return None
        user = self._convolution_after(unit.last)
        return None if user is None or user.same else self._units[user.name]

    def _place_chain(self, first: _Unit, second: _Unit) -> None:
        a, b = first.kernel, second.kernel
        assert not isinstance(a, Dense)
        assert not isinstance(b, Dense)
        strips, tiles = self._strips(second)
        needed = a.tiles(b.reach(tiles) * a.pool)
        between = self._rows(needed * a.tile // a.pool * a.filters)
        step = tiles * b.tile
        target = self._room(second.last, strips * step // b.pool)
        source = self._first_row[first.layer.sources[0]] - first.before
        calls = (
            self._call(first, source, between, needed, step * a.pool, 0),
            self._call(second, between, target, tiles, 0, step // b.pool * b.filters),
        )
        self.program.steps.append(Chain(*calls, strips))
        self._finish(first, between)
        self._finish(second, target)

    def _strips(self, second: _Unit) -> tuple[int, int]:
        """Return the strips of a chain, and the tiles of the second layer in each."""
        assert not isinstance(second.kernel, Dense)
        tiles = second.kernel.tiles(second.positions)
        return -(-tiles // _STRIP), min(tiles, _STRIP)

    def _place_alone(self, unit: _Unit) -> None:
        kernel = unit.kernel
        source = self._first_row[unit.layer.sources[0]]
        if isinstance(kernel, Dense):
            target = self._room(unit.last, 0)
            call = self._call(unit, source, target, 0)
        else:
            tiles = kernel.tiles(unit.positions)
            target = self._room(unit.last, tiles * kernel.tile // kernel.pool)
            call = self._call(unit, source - unit.before * kernel.channels, target, tiles)
        self.program.steps.append(call)
        self._finish(unit, target)

    def _call(
        self, unit: _Unit, source: int, target: int, tiles: int, source_step: int = 0, target_step: int = 0
    ) -> Call:
        shape = self._layers[unit.layer.sources[0]].shape
        shape = (unit.layer.taps, shape[1]) if unit.layer.kind == "conv" else shape
        n_weights = unit.kernel.pack(np.zeros((*shape, unit.layer.shape[-1]))).size
        place = self.program.n_weights
        self.program.n_weights += n_weights + unit.layer.shape[-1]
        return Call(unit.kernel, unit.layer, source, target, place, n_weights, tiles, source_step, target_step)

    def _finish(self, unit: _Unit, row: int) -> None:
        self._first_row.update(dict.fromkeys(unit.done, row))
        user = self._convolution_after(unit.last)
        if user is not None and user.same:
            # The last tile reaches beyond the end, where this convolution wants zeros.
            end, channels = row + int(np.prod(unit.last.shape)), unit.last.shape[1]
            self.program.steps.append(Zeros(end, same_padding(user.taps)[1] * channels))

    def _room(self, layer: Layer, written: int) -> int:
        """Make room for the output of a layer; return its first row.

        It is as large as what the layer writes and what a convolution reads, before and behind, require.
        """
        channels = layer.shape[1] if len(layer.shape) == 2 else 1
        end, before = max(layer.shape[0], written), 0
        user = self._convolution_after(layer)
        if user is not None:
            unit = self._units[user.name]
            before = unit.before
            end = max(end + user.taps, self._reach(unit) - before)
        return self._rows((before + end) * channels) + before * channels

    def _reach(self, unit: _Unit) -> int:
        """Return the positions that a convolution reads of its input."""
        kernel = unit.kernel
        assert not isinstance(kernel, Dense)
        following = self._chained(unit)
        if following is None:
            return kernel.reach(kernel.tiles(unit.positions))
        strips, tiles = self._strips(following)
        assert not isinstance(following.kernel, Dense)
        needed = kernel.tiles(following.kernel.reach(tiles) * kernel.pool)
        return (strips - 1) * tiles * following.kernel.tile * kernel.pool + kernel.reach(needed)

    def _rows(self, rows: int) -> int:
        """Take rows of memory; return the first."""
        first = self.program.rows
        self.program.rows += rows
        return first

    def _convolution_after(self, layer: Layer) -> Layer | None:
        users = self._users[layer.name]
        if not any(user.kind in ("conv", "channel") for user in users):
            return None
        if len(users) > 1:
            raise UnsupportedNetworkError(f"layer {layer.name} feeds a convolution and another layer")
        return users[0] if users[0].kind == "conv" else self._convolution_after(users[0])
