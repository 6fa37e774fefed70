"""The wavelengths of a release's RVS spectra."""

import numpy as np
from pydantic import BaseModel, ConfigDict

__all__ = ["PixelGrid"]


class PixelGrid(BaseModel):
    """Equidistant wavelength grid of spectra."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float
    """Wavelength of the first pixel, nm."""
    step: float
    """Distance between pixels, nm."""
    n_pixels: int
    medium: str
    frame: str
    continuum: tuple[tuple[float, float], ...] = ()
    """Regions without strong lines, nm, whose upper quartile replaces missing pixels (Sect. 2.1)."""

    @property
    def wavelength(self) -> np.ndarray:
        """Wavelengths, nm, shape (n_pixels,), float64."""
        return self.start + self.step * np.arange(self.n_pixels)

    @property
    def axis(self) -> tuple[float, float, int, str, str]:
        """All that two grids must share for their pixels to mean the same."""
        return self.start, self.step, self.n_pixels, self.medium, self.frame

    def __str__(self) -> str:
        pixels = f"{self.n_pixels} pixels of {self.step:.10g} nm from {self.start:.10g} nm"
        return f"{pixels} ({self.medium}, {self.frame} frame)"
