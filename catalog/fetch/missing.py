"""Which stars of the database still lack a product that the archive has."""

import numpy as np
from psycopg import Connection

from catalog.database import queries
from catalog.errors import ConfigurationError, SampleError

__all__ = ["missing_ids"]

_QUERIES = {
    "rvs_mean_spectrum": "selection/missing_spectra",
    "xp_continuous_mean_spectrum": "selection/missing_xp_coefficients",
}


def missing_ids(connection: Connection, release: str, product: str) -> np.ndarray:
    """Return the stars of the ingested gaia_source whose `product` the archive has and the database has not.

    Parameters
    ----------
    connection : psycopg.Connection
    release : str
        Key of the survey rows.
    product : str
        ``rvs_mean_spectrum`` or ``xp_continuous_mean_spectrum``.

    Returns
    -------
    ndarray of int64
        Sorted, each once.

    Raises
    ------
    ConfigurationError
        gaia_source does not tell which stars have this product.
    SampleError
        No star lacks it, or gaia_source has not been ingested.
    """
    if product not in _QUERIES:
        raise ConfigurationError(
            f"gaia_source does not say which stars have a {product}.", f"It does for {' and '.join(_QUERIES)}."
        )
    rows = connection.execute(queries.load(_QUERIES[product]).statement, {"release": release}).fetchall()
    if not rows:
        known = connection.execute("SELECT 1 FROM survey.gaia_source WHERE release = %s LIMIT 1", (release,)).fetchone()
        if known is None:
            raise SampleError(f"No gaia_source of {release} has been ingested.", "Fetch and ingest gaia_source first.")
        raise SampleError(f"No star of {release} lacks its {product}.", "There is nothing to fetch.")
    return np.array([row[0] for row in rows], dtype=np.int64)
