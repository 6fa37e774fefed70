"""Steps of a program: each knows its places in memory and writes itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from catalog.ensemble.runtimes.compiled.convolution import Convolution, FirstConvolution
from catalog.ensemble.runtimes.compiled.dense import Dense
from catalog.ensemble.runtimes.compiled.lanes import Lanes
from catalog.ensemble.runtimes.layers import Layer

__all__ = ["Call", "Chain", "Copy", "Kernel", "Pointers", "Step", "Zeros", "calls", "copy_rows"]

Kernel = Convolution | FirstConvolution | Dense


@dataclass(frozen=True)
class Pointers:
    """Arguments of the program that steps take."""

    memory: Any
    weights: Any
    scratch: Any


@dataclass(frozen=True)
class Copy:
    """Rows from one place to another."""

    source: int
    target: int
    rows: int

    def write(self, lanes: Lanes, at: Pointers) -> None:
        """Write the instructions."""
        copy_rows(lanes, lanes.rows(at.memory, self.source), lanes.rows(at.memory, self.target), self.rows)


@dataclass(frozen=True)
class Zeros:
    """Rows of zeros, for a convolution that reads beyond the end."""

    target: int
    rows: int

    def write(self, lanes: Lanes, at: Pointers) -> None:
        """Write the instructions."""
        with lanes.loop(self.rows) as i:
            lanes.store(lanes.constant(0.0), lanes.rows(at.memory, self.target, (i, 1)))


@dataclass(frozen=True)
class Call:
    """A layer."""

    kernel: Kernel
    layer: Layer
    source: int
    """First row that it reads."""
    target: int
    """First row that it writes."""
    weights: int
    """Place of its weights in the member's array; the bias follows."""
    n_weights: int
    tiles: int = 0
    source_step: int = 0
    """Rows from one strip to the next, in a `Chain`."""
    target_step: int = 0

    def write(self, lanes: Lanes, at: Pointers, strip: Any = None) -> None:
        """Write the instructions."""
        source = [self.source] if strip is None else [self.source, (strip, self.source_step)]
        target = [self.target] if strip is None else [self.target, (strip, self.target_step)]
        arguments = [
            lanes.rows(at.memory, *source),
            lanes.rows(at.memory, *target),
            lanes.floats(at.weights, self.weights),
            lanes.floats(at.weights, self.weights + self.n_weights),
        ]
        if not isinstance(self.kernel, Dense):
            arguments += [at.scratch, self.tiles]
        lanes.call(self.kernel.name, *arguments)


@dataclass(frozen=True)
class Chain:
    """Two layers in turns, strip by strip: what passes between them never leaves the cache."""

    first: Call
    second: Call
    strips: int

    def write(self, lanes: Lanes, at: Pointers) -> None:
        """Write the instructions."""
        with lanes.loop(self.strips) as strip:
            self.first.write(lanes, at, strip)
            self.second.write(lanes, at, strip)


Step = Call | Chain | Copy | Zeros


def calls(steps: list[Step]) -> Iterator[Call]:
    """Yield the layers among `steps`, those in chains as well."""
    for step in steps:
        if isinstance(step, Chain):
            yield from (step.first, step.second)
        elif isinstance(step, Call):
            yield step


def copy_rows(lanes: Lanes, source: Any, target: Any, rows: int) -> None:
    """Write a loop that copies rows."""
    with lanes.loop(rows) as i:
        lanes.store(lanes.load(lanes.rows(source, (i, 1))), lanes.rows(target, (i, 1)))
