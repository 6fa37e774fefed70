"""What the network sees: repaired spectra, normalised XP coefficients, magnitudes and parallax."""

from catalog.features.ranges import page_of, sky_parts
from catalog.features.report import FeatureReport
from catalog.features.scalers import MinMaxScaler, Scalers
from catalog.features.spectrum import continuum_pixels, repair_flux
from catalog.features.stream import (
    SCALARS,
    FeatureBlock,
    Page,
    input_parameters,
    pages,
    report_missing,
    scalar_columns,
    stream_features,
)
from catalog.features.training import TrainingSet, load_training_set, training_digest
from catalog.features.xp import normalise_xp, xp_names

__all__ = [
    "FEATURES_VERSION",
    "SCALARS",
    "FeatureBlock",
    "FeatureReport",
    "MinMaxScaler",
    "Page",
    "Scalers",
    "TrainingSet",
    "continuum_pixels",
    "input_parameters",
    "load_training_set",
    "normalise_xp",
    "page_of",
    "pages",
    "repair_flux",
    "report_missing",
    "scalar_columns",
    "sky_parts",
    "stream_features",
    "training_digest",
    "xp_names",
]

FEATURES_VERSION = 1
"""Raised whenever the same survey rows give other features: ensembles trained before are not used again."""
