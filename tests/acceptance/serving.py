"""A small catalogue, published and served, in a database of its own: what the scripts of this folder look at."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

from catalog.database import migrate  # noqa: E402
from catalog.settings import Settings  # noqa: E402
from tests.databases import database  # noqa: E402
from tests.service.tap.conftest import Service, publish, serving  # noqa: E402


@contextmanager
def small_service() -> Iterator[Service]:
    """Serve from RVSCAT_DATABASE_URL's server, or from an embedded one in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="rvscat-acceptance-") as folder:
        home = Path(folder)
        server = os.environ.get("RVSCAT_DATABASE_URL")
        settings = Settings(home=home / "database")
        if server is None:
            from catalog.database.embedded import ensure_server

            server = ensure_server(settings)
        try:
            with database(server, "template1") as url:
                migrate.upgrade(url)
                with psycopg.connect(url) as connection:
                    publish(connection)
                with serving(url, home / "service") as service:
                    yield service
        finally:
            if "RVSCAT_DATABASE_URL" not in os.environ:
                from catalog.database.embedded import remove_server

                remove_server(settings)
