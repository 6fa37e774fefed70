"""The ensemble of convolutional networks: training, the saved artefact, labels and their uncertainties.

Importing this package loads neither Keras nor its backend: that happens when a network is needed.
"""

from catalog.ensemble.prediction.loading import Ensemble, combine, load_ensemble
from catalog.ensemble.registry.artefact import Manifest, MemberRecord, read_training, verify_artefact
from catalog.ensemble.uncertainty import DispersionFit, overall_sigma

__all__ = [
    "DispersionFit",
    "Ensemble",
    "Manifest",
    "MemberRecord",
    "combine",
    "load_ensemble",
    "overall_sigma",
    "read_training",
    "verify_artefact",
]
