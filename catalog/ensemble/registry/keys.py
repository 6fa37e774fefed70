"""What an ensemble depends on, as a key: the same key finds the same ensemble again."""

from psycopg import Connection

from catalog.database.ledger import Run, fingerprint
from catalog.features import FEATURES_VERSION, training_digest
from catalog.metadata import LABELS
from catalog.releases import load_release

__all__ = ["ENSEMBLE_VERSION", "ensemble_keys", "folder_name"]

ENSEMBLE_VERSION = 1
"""Raised whenever the same features and settings give another network or another training."""


def ensemble_keys(connection: Connection, run: Run) -> tuple[str, str]:
    """Return the key of the ensemble that `run` needs, and that of its training alone.

    The second leaves out how uncertainties are fitted and which members are dropped after training: ensembles that
    differ only there share their networks. Neither holds what computes the convolutions: it is the same network up to
    rounding, and each member's record says what it was.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run

    Returns
    -------
    key, training_key : str
        SHA-256 each, hexadecimal.
    """
    release = load_release(run.profile.release)
    n, digest = training_digest(connection, run)
    after_training = {"drop_above_percentile"}
    training_key = fingerprint(
        [ENSEMBLE_VERSION, FEATURES_VERSION],
        run.release,
        [n, digest],
        run.profile.network.model_dump(mode="json"),
        run.profile.training.model_dump(mode="json", exclude={*after_training, "kernels"}),
        release.rvs.model_dump(mode="json"),
        release.xp.model_dump(mode="json"),
        [label.name for label in LABELS],
    )
    uncertainty = run.profile.uncertainty.model_dump(mode="json")
    dropping = run.profile.training.model_dump(mode="json", include=after_training)
    return fingerprint(training_key, uncertainty, dropping), training_key


def folder_name(key: str) -> str:
    """Return the name of an ensemble's folder."""
    return key[:16]
