"""A data release as its TOML file describes it."""

import tomllib
from functools import cache
from importlib.resources import files

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.errors import ConfigurationError, NotFoundError

__all__ = ["Cuts", "Limits", "PixelGrid", "Release", "load_release", "release_names"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelGrid(_Model):
    """Equidistant wavelength grid of a release's RVS mean spectra."""

    start: float
    """Wavelength of the first pixel, nm."""
    step: float
    """Distance between pixels, nm."""
    n_pixels: int
    medium: str
    frame: str
    continuum: tuple[tuple[float, float], ...]
    """Regions without strong lines, nm, whose upper quartile replaces missing pixels (Sect. 2.1)."""

    @property
    def wavelength(self) -> np.ndarray:
        """Wavelengths, nm, shape (n_pixels,), float64."""
        return self.start + self.step * np.arange(self.n_pixels)


class XpBasis(_Model):
    """Lengths of the XP coefficient arrays."""

    bp_coefficients: int
    rp_coefficients: int


class Cuts(_Model):
    """Thresholds of Sect. 2 of the paper; the queries of sql/selection take them as parameters."""

    phot_mean_flux_over_error_min: float
    training_snr_min: float
    training_parallax_over_error_min: float
    """Inverse of the largest relative parallax error: 5 is 20 %."""
    training_ruwe_max: float
    aspcapflag_bits: tuple[int, ...]
    aspcap_chi2_max: float
    teff_err_max: float
    logg_err_max: float
    metallicity_split: float
    metal_poor_err_max: float
    metal_rich_err_max: float
    alpha_m_err_max: float


class Limits(_Model):
    """Lowest and highest values of the training sample: labels, G and parallax (Table 1)."""

    teff: tuple[float, float]
    logg: tuple[float, float]
    mh: tuple[float, float]
    alpham: tuple[float, float]
    feh: tuple[float, float]
    g: tuple[float, float]
    parallax: tuple[float, float]


class Expected(_Model):
    """Star counts that the paper states for this release, with the tolerance to compare them."""

    spectra: int | None = None
    crossmatched: int | None = None
    training: int | None = None
    observed: int | None = None
    tolerance: float = Field(default=0.001)


class Release(_Model):
    """One data release."""

    name: str
    title: str
    status: str
    """``released`` or ``draft``."""
    reference_epoch: float
    rvs: PixelGrid
    xp: XpBasis
    cuts: Cuts
    paper_limits: Limits
    """Table 1 as printed: a preset and a comparison, never the default."""
    expected: Expected
    bulk_files: dict[str, str]
    """File-name prefix of each product in the archive's bulk folders."""
    endpoints: dict[str, str]


@cache
def load_release(name: str) -> Release:
    """Read the release `name`.

    Raises
    ------
    NotFoundError
        There is no such release file.
    ConfigurationError
        The file does not follow the model.
    """
    if name not in release_names():
        raise NotFoundError(f"Unknown release {name!r}.", f"Known releases: {', '.join(release_names())}.")
    text = files(__package__).joinpath(f"{name}.toml").read_text()
    try:
        return Release.model_validate({"name": name, **tomllib.loads(text)})
    except ValidationError as error:
        raise ConfigurationError(f"catalog/releases/{name}.toml: {error}") from error


def release_names() -> list[str]:
    """Return the names of all known releases."""
    return sorted(
        item.name.removesuffix(".toml") for item in files(__package__).iterdir() if item.name.endswith(".toml")
    )
