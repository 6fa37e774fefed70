"""The compiled functions as arrays go in and out of them."""

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.compiled.engine import aligned, compile_for_this_machine, grouped, ungrouped
from catalog.ensemble.runtimes.compiled.lanes import Machine, this_machine
from catalog.ensemble.training.kernels.planning import Plan, plan_blocks
from catalog.profiles.model import NetworkSettings

__all__ = ["ConvolutionBlocks"]


class ConvolutionBlocks:
    """All convolution blocks of a network, forwards and backwards, for one thread.

    Parameters
    ----------
    n_pixels : int
    settings : NetworkSettings
    machine : Machine, optional
        Another one than this: smaller vectors run as well.

    Raises
    ------
    UnsupportedNetworkError
        There are no kernels for such blocks.
    """

    def __init__(self, n_pixels: int, settings: NetworkSettings, machine: Machine | None = None) -> None:
        blocks = plan_blocks(n_pixels, settings)
        self._plan, self._forwards, self._backwards, self._engine = _compiled(
            n_pixels, blocks, machine or this_machine()
        )
        lanes = self._plan.machine.lanes
        self._scratch = aligned(self._plan.scratch * lanes)
        self._sums = aligned(self._plan.n_sums * lanes)
        self._weights = aligned(self._plan.n_weights)
        self._kept = aligned(0)
        self._stars = 0

    @property
    def n_outputs(self) -> int:
        """Numbers of the last block's output for one star."""
        return self._plan.n_outputs

    def forwards(self, x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
        """Return the output of the last block.

        Parameters
        ----------
        x : numpy.ndarray
            Spectra, shape (n, n_pixels), float32.
        weights : list of numpy.ndarray
            Kernel and bias of each block.

        Returns
        -------
        numpy.ndarray
            Shape (n, n_outputs), positions outside, filters inside.
        """
        plan, lanes, n = self._plan, self._plan.machine.lanes, len(x)
        groups = -(-n // lanes)
        if self._kept.size < groups * plan.kept * lanes:
            self._kept = aligned(groups * plan.kept * lanes)
        self._weights[:] = plan.pack(weights)
        spectra, out = grouped(x, groups, lanes), aligned(groups * plan.n_outputs * lanes)
        self._call(self._forwards, spectra, self._weights, self._kept, self._scratch, out, groups=groups)
        self._stars = n
        return ungrouped(out.reshape(groups, plan.n_outputs, lanes), n)

    def backwards(self, gradient: np.ndarray) -> list[np.ndarray]:
        """Return the gradients of the weights, for the stars and weights of the last way forwards.

        Parameters
        ----------
        gradient : numpy.ndarray
            With respect to the output, shape (n, n_outputs), float32.

        Returns
        -------
        list of numpy.ndarray
            Kernel and bias of each block.
        """
        plan, lanes = self._plan, self._plan.machine.lanes
        if len(gradient) != self._stars:
            raise ValueError(f"The gradient is of {len(gradient)} stars; {self._stars} were convolved.")
        groups = -(-self._stars // lanes)
        self._sums[:] = 0.0
        values = grouped(gradient, groups, lanes)
        self._call(self._backwards, values, self._weights, self._kept, self._scratch, self._sums, groups=groups)
        sums = self._sums.reshape(-1, lanes).sum(axis=1, dtype=np.float32)
        gradients = []
        for block in plan.blocks:
            weights, bias = plan.sums[block.number]
            gradients.append(plan.kernels[f"gradient_{block.number}"].weights(sums[weights:bias]))
            gradients.append(sums[bias : bias + block.filters])
        return gradients

    @staticmethod
    def _call(function: Any, *arrays: np.ndarray, groups: int) -> None:
        function(*(values.ctypes.data for values in arrays), groups)


@lru_cache(maxsize=8)
def _compiled(n_pixels: int, blocks: Any, machine: Machine) -> tuple[Plan, Any, Any, Any]:
    """Return the plan for such blocks, both functions, and what holds them."""
    plan = Plan(n_pixels, blocks, machine)
    engine = compile_for_this_machine(plan.write())
    # Called through ctypes, the functions run without Python's lock.
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, ctypes.c_int64)
    forwards, backwards = (prototype(engine.get_function_address(name)) for name in ("forwards", "backwards"))
    return plan, forwards, backwards, engine
