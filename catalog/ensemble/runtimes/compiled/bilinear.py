"""Short convolutions with fewer multiplications than their definition asks for.

``y[n] = sum over k of h[k] x[n + k]`` for m outputs and r taps takes m r multiplications; as
``y = A ((G h) * (B x))`` it takes only as many as A has columns, m + r - 1 at best (Toom and Cook; Winograd 1980,
"Arithmetic Complexity of Computations"). Multiplying is what costs: in a convolution layer every product runs over
all pairs of channels, while B and A act once on each channel. The coefficients are computed exactly and rounded once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import gcd, lcm

import numpy as np

__all__ = ["INNER", "Bilinear", "direct", "outer", "toom_cook"]

Matrix = list[list[Fraction]]


@dataclass(frozen=True)
class Bilinear:
    """``y = a ((g h) * (b x))`` for `outputs` values of y and `taps` values of h."""

    a: tuple[tuple[float, ...], ...]
    """Shape (outputs, products)."""
    g: tuple[tuple[float, ...], ...]
    """Shape (products, taps)."""
    b: tuple[tuple[float, ...], ...]
    """Shape (products, outputs + taps - 1)."""

    @property
    def outputs(self) -> int:
        """Values of y that come out at a time."""
        return len(self.a)

    @property
    def taps(self) -> int:
        """Length of the filter h."""
        return len(self.g[0])

    @property
    def products(self) -> int:
        """Multiplications."""
        return len(self.b)

    def __call__(self, taps: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Convolve, in double precision: what the compiled kernels do, for tests and for reading."""
        products = (np.array(self.g) @ taps) * (np.array(self.b) @ values)
        result: np.ndarray = np.array(self.a) @ products
        return result


def toom_cook(outputs: int, taps: int, points: Sequence[int | Fraction]) -> Bilinear:
    """Return the scheme that evaluates at `points` and at infinity.

    Small points of both signs and their inverses keep rounding errors small.

    Parameters
    ----------
    outputs, taps : int
    points : sequence of int or fractions.Fraction
        ``outputs + taps - 2`` different numbers.

    Returns
    -------
    Bilinear
    """
    n = outputs + taps - 1
    if len(set(points)) != n - 1:
        raise ValueError(f"{n - 1} different points are needed, not {list(points)}.")
    inverse = _inverse(_powers(points, n))
    a = [list(column) for column in zip(*_powers(points, outputs), strict=True)]
    g = _powers(points, taps)
    b = [list(column) for column in zip(*inverse, strict=True)]
    for i, row in enumerate(b):
        # Whole coefficients for the values, of which there are many; the fractions go to the taps.
        whole = Fraction(lcm(*(value.denominator for value in row)))
        scale = whole / gcd(*(int(value * whole) for value in row))
        b[i] = [value * scale for value in row]
        g[i] = [value / scale for value in g[i]]
    return Bilinear(_floats(a), _floats(g), _floats(b))


def direct(taps: int) -> Bilinear:
    """Return the definition itself, for one output."""
    one = tuple(tuple(float(i == k) for k in range(taps)) for i in range(taps))
    return Bilinear(((1.0,) * taps,), one, one)


@cache
def outer(blocks: int) -> Bilinear:
    """Return the scheme over blocks of four taps: `INNER` takes the place of its multiplications.

    Two blocks, the paper's eight taps, make 28 products of the 96 for twelve outputs.

    Parameters
    ----------
    blocks : int
        Number of taps, divided by four and rounded up.

    Returns
    -------
    Bilinear
    """
    if blocks == 2:
        return toom_cook(3, 2, [0, 1, -1])
    if blocks == 3:
        return toom_cook(2, 3, [0, 1, -1])
    return direct(blocks)


def _powers(points: Sequence[int | Fraction], n: int) -> Matrix:
    return [*([Fraction(p) ** k for k in range(n)] for p in points), [*([Fraction(0)] * (n - 1)), Fraction(1)]]


def _inverse(matrix: Matrix) -> Matrix:
    """Invert by Gauss and Jordan's elimination, exactly."""
    n = len(matrix)
    rows = [[*row, *(Fraction(i == k) for k in range(n))] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(n):
            if k != i:
                factor = rows[k][i]
                rows[k] = [above - factor * value for above, value in zip(rows[k], rows[i], strict=True)]
    return [row[n:] for row in rows]


def _floats(matrix: Matrix) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)


INNER = toom_cook(4, 4, [1, -1, Fraction(1, 2), Fraction(-1, 2), 2, -2])
"""Four outputs, four taps: 7 products instead of 16. Rounding errors are 2.3 times those of the definition."""
