"""A small published catalogue of made-up stars, for ``dachs.py``."""

import psycopg

from catalog.database.acting import acting
from catalog.database.copy_in import copy_in
from catalog.database.ledger import open_run
from catalog.database.roles import PRODUCTION
from catalog.metadata import LABELS
from catalog.metadata.columns import BOUNDARY_LIMITS
from catalog.profiles import load_profile
from catalog.publish.publications import content_sha256

__all__ = ["publish_stars"]


def publish_stars(connection: psycopg.Connection, n: int = 1200) -> int:
    """Publish `n` stars as version 1 and record the publication."""
    from tests.service.tap.conftest import publish

    with acting(connection, PRODUCTION.name):
        publish(connection, n)
        names = [*(label.name for label in LABELS), "phot_g_mean_mag", "parallax"]
        limits = {
            "quantity": names,
            "digit": list(range(1, len(names) + 1)),
            "lower": [-1.0] * len(names),
            "upper": [1.0] * len(names),
            "rule": ["paper"] * len(names),
            "quantile": [0.0] * len(names),
            "n_training": [10] * len(names),
        }
        copy_in(connection, f"{BOUNDARY_LIMITS.qualified_name}_v1", limits)
        run = open_run(connection, load_profile("tiny"))
        connection.execute(
            "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) "
            "VALUES (1, %s, %s, %s, true)",
            (run.run_id, n, content_sha256(connection, 1)),
        )
    return n
