"""A writer of LLVM instructions in which every value is a vector: one lane a star.

Memory is counted in rows: a row is one number of each star in the lanes, side by side. Weights are single floats,
the same for all stars.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

__all__ = ["Lanes", "Machine", "largest_divisor", "this_machine"]

_FLOAT = ir.FloatType()
_LONG = ir.IntType(64)
_INT = ir.IntType(32)


@dataclass(frozen=True)
class Machine:
    """What kernels must know of a processor."""

    lanes: int
    """Floats in a vector."""
    registers: int
    """Vectors that it holds at hand."""
    name: str


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    if llvm.get_process_triple().startswith(("aarch64", "arm64")):
        return Machine(4, 32, "NEON")
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return Machine(16, 32, "AVX-512")
    if features.get("avx2") and features.get("fma"):
        return Machine(8, 16, "AVX2")
    return Machine(4, 16, "SSE")


def largest_divisor(n: int, most: int) -> int:
    """Return the largest divisor of `n` up to `most`: how many sums to keep in registers."""
    return max(k for k in range(1, most + 1) if n % k == 0)


class Lanes:
    """Writes functions into an LLVM module.

    Parameters
    ----------
    lanes : int
        Floats in a vector.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.module = ir.Module(name="network")
        self.module.triple = llvm.get_process_triple()
        self.vector = ir.VectorType(_FLOAT, lanes)
        self._fused = ir.Function(
            self.module, ir.FunctionType(self.vector, [self.vector] * 3), f"llvm.fmuladd.v{lanes}f32"
        )
        self.builder: Any = None

    @contextmanager
    def function(self, name: str, pointers: int, numbers: int = 0) -> Iterator[list[Any]]:
        """Write a function of `pointers` to floats, which do not overlap, and 64-bit `numbers`."""
        arguments = [_FLOAT.as_pointer()] * pointers + [_LONG] * numbers
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), arguments), name)
        for pointer in function.args[:pointers]:
            pointer.add_attribute("noalias")
        outside, self.builder = self.builder, ir.IRBuilder(function.append_basic_block("entry"))
        yield list(function.args)
        self.builder.ret_void()
        self.builder = outside

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function written before; ints become 64-bit numbers."""
        values = [self.number(value) if isinstance(value, int) else value for value in arguments]
        self.builder.call(self.module.get_global(name), values)

    @contextmanager
    def loop(self, end: Any, step: int = 1) -> Iterator[Any]:
        """Repeat what is written inside for 0, step, … below `end`, at least once; gives the counter."""
        with self.accumulate(end, 0, step) as (counter, _):
            yield counter

    @contextmanager
    def accumulate(self, end: Any, n: int, step: int = 1) -> Iterator[tuple[Any, list[Any]]]:
        """As `loop`, with `n` vectors that start at zero and stay in registers.

        Gives the counter and the list of vectors: what is in the list at the end of the body is carried on, and
        after the loop it holds the results.
        """
        builder = self.builder
        before, body = builder.block, builder.append_basic_block("body")
        builder.branch(body)
        builder.position_at_end(body)
        counter = builder.phi(_LONG)
        counter.add_incoming(self.number(0), before)
        carried = [builder.phi(self.vector) for _ in range(n)]
        vectors = list(carried)
        yield counter, vectors
        following = builder.add(counter, self.number(step))
        counter.add_incoming(following, builder.block)
        for phi, vector in zip(carried, vectors, strict=True):
            phi.add_incoming(self.constant(0.0), before)
            phi.add_incoming(vector, builder.block)
        after = builder.append_basic_block("after")
        end = self.number(end) if isinstance(end, int) else end
        builder.cbranch(builder.icmp_signed("<", following, end), body, after)
        builder.position_at_end(after)

    def number(self, value: int) -> Any:
        """Return a 64-bit constant."""
        return ir.Constant(_LONG, value)

    def constant(self, value: float) -> Any:
        """Return a vector of one constant."""
        return ir.Constant(self.vector, [float(value)] * self.lanes)

    def floats(self, pointer: Any, *places: Any) -> Any:
        """Return `pointer` moved by floats: each place is an int or a (counter, factor)."""
        fixed = sum(place for place in places if isinstance(place, int))
        for counter, factor in (place for place in places if not isinstance(place, int)):
            pointer = self.builder.gep(pointer, [self.builder.mul(counter, self.number(factor))])
        return self.builder.gep(pointer, [self.number(fixed)]) if fixed else pointer

    def rows(self, pointer: Any, *places: Any) -> Any:
        """Return `pointer` moved by rows."""
        scaled = [
            place * self.lanes if isinstance(place, int) else (place[0], place[1] * self.lanes) for place in places
        ]
        return self.floats(pointer, *scaled)

    def load(self, pointer: Any) -> Any:
        """Return a row."""
        return self.builder.load(self._as_row(pointer), align=4 * self.lanes)

    def store(self, vector: Any, pointer: Any) -> None:
        """Write a row."""
        self.builder.store(vector, self._as_row(pointer), align=4 * self.lanes)

    def spread(self, pointer: Any) -> Any:
        """Return one float in every lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        single = self.builder.insert_element(undefined, self.builder.load(pointer), ir.Constant(_INT, 0))
        everywhere = ir.Constant(ir.VectorType(_INT, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, undefined, everywhere)

    def add(self, a: Any, b: Any) -> Any:
        """Return ``a + b``."""
        return self.builder.fadd(a, b)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a b + c``, rounded once where the processor can."""
        return self.builder.call(self._fused, [a, b, c])

    def larger(self, a: Any, b: Any) -> Any:
        """Return the larger of each lane."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def leaky_relu(self, x: Any, slope: float) -> Any:
        """Return ``x`` where it is positive, ``slope x`` elsewhere."""
        if slope == 1.0:
            return x
        below = self.builder.fmul(x, self.constant(slope))
        if 0.0 <= slope < 1.0:
            return self.larger(x, below)
        return self.builder.select(self.builder.fcmp_ordered(">", x, self.constant(0.0)), x, below)

    def combine(self, coefficients: Sequence[float], vectors: Sequence[Any]) -> Any:
        """Return the sum of `vectors` times constants."""
        terms = [(c, vector) for c, vector in zip(coefficients, vectors, strict=True) if c]
        # Terms that need no multiplication come first, positive ones before negative ones.
        terms.sort(key=lambda term: (abs(term[0]) != 1.0, term[0] < 0.0))
        (c, vector), *others = terms
        total = vector if c == 1.0 else self.builder.fmul(vector, self.constant(c))
        for c, vector in others:
            if abs(c) == 1.0:
                total = self.builder.fadd(total, vector) if c > 0.0 else self.builder.fsub(total, vector)
            else:
                total = self.multiply_add(vector, self.constant(c), total)
        return total

    def _as_row(self, pointer: Any) -> Any:
        return self.builder.bitcast(pointer, self.vector.as_pointer())
