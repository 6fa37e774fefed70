"""Figures of the paper that follow from several settings, or are written into the project."""

from collections.abc import Callable

from catalog.errors import ConfigurationError
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.metadata.columns import RVS_CNN
from catalog.profiles import Profile
from catalog.releases import Release
from catalog.validation.parity.statements import Value

__all__ = ["FACTS"]


def _angstrom(*nanometres: float) -> tuple[float, ...]:
    return tuple(round(10.0 * each, 6) for each in nanometres)


def _grid(_: Profile, release: Release) -> Value:
    return _angstrom(release.rvs.wavelength[0], release.rvs.wavelength[-1])


def _continuum(_: Profile, release: Release) -> Value:
    return _angstrom(*(end for window in release.rvs.continuum for end in window))


def _middle(profile: Profile, region: str) -> Value:
    """Return the [M/H] of the stars whose gradients are shown."""
    regions = profile.studies.sensitivity.regions
    if region not in regions or (mh := regions[region].mh) is None:
        raise ConfigurationError(f"The profile studies no region {region!r} of a range of [M/H].")
    return round(sum(mh) / 2, 6)


FACTS: dict[str, Callable[[Profile, Release], Value]] = {
    "pixel": lambda _, release: _angstrom(release.rvs.step)[0],
    "grid": _grid,
    "grid_range": lambda _, release: _angstrom((release.rvs.n_pixels - 1) * release.rvs.step)[0],
    "continuum": _continuum,
    "xp_coefficients": lambda _, release: release.xp.bp_coefficients + release.xp.rp_coefficients,
    "parallax_error": lambda _, release: 100.0 / release.cuts.training_parallax_over_error_min,
    "input_nodes": lambda profile, _: len(profile.network.inputs),
    "scalars": lambda profile, _: len(profile.network.scalars),
    "convolutions": lambda profile, _: len(profile.network.filters),
    "concatenated": lambda profile, _: (
        profile.network.scalar_units + profile.network.spectrum_units + profile.network.xp_units
    ),
    "dense": lambda profile, _: (*profile.network.dense_units, len(LABELS)),
    "labels": lambda *_: ", ".join(label.text for label in LABELS),
    "validation_fraction": lambda profile, _: round(1.0 - profile.training.train_fraction, 6),
    "clump_solar": lambda profile, _: _middle(profile, "red clump, solar"),
    "clump_poor": lambda profile, _: _middle(profile, "red clump, metal-poor"),
    "maps": lambda profile, _: len(profile.likeness.perplexities),
    "flag_digits": lambda *_: len(FLAG_DIGITS),
    "flag_order": lambda *_: ", ".join(digit.text for digit in FLAG_DIGITS),
    "flag_type": lambda *_: next(column.sql_type for column in RVS_CNN.columns if column.name == "flag_boundary"),
    "columns": lambda *_: len(RVS_CNN.columns),
    "column_names": lambda *_: ", ".join(RVS_CNN.column_names),
}
"""By the name that ``paper.toml`` uses."""
