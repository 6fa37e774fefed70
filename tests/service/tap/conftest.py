"""A small published catalogue with nulls and awkward values, and the real server in front of it."""

import faulthandler
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psycopg
import pytest

from catalog.database.copy_in import copy_in
from catalog.metadata.columns import BOUNDARY_LIMITS, RVS_CNN, RVS_CNN_EXTENDED, TableInfo
from catalog.publish.tables import create_tables, switch_views
from catalog.publish.tap_schema import write_tap_schema
from catalog.service.tap.limits import FILE
from catalog.service.tap.server import make_server
from catalog.settings import Settings
from tests.databases import database

N_STARS = 1200


def publish(connection: psycopg.Connection, n: int = N_STARS) -> None:
    """Publish `n` stars of no meaning: numbers of all magnitudes, nulls wherever a column may have them."""
    rng = np.random.default_rng(7)
    create_tables(connection, 1)
    source_id = np.sort(rng.choice(2**62, n, replace=False))
    values = {
        column.name: _values(rng, column.name, column.datatype, column.nullable, n)
        for column in RVS_CNN_EXTENDED.columns
    }
    bits = rng.integers(0, 256, n)
    values |= {
        "source_id": source_id,
        "sourceid": source_id.astype(str).tolist(),
        "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "release": ["dr3"] * n,
        "role": ["training" if i % 4 == 0 else "observed" for i in range(n)],
        "flag_boundary": [f"{bit:08b}"[::-1] for bit in bits],
        "flag_bits": bits,
        "ensemble": ["e" * 64] * n,
        "apogee_id": [f'2M "{i}" & <é>, x' if i % 3 == 0 else None for i in range(n)],
    }
    # Values that only come back when every bit does.
    values["mh"][:4] = np.array([-0.0, np.finfo("f4").tiny, np.nextafter(np.float32(1), np.float32(2)), 1e-38], "f4")
    _fill(connection, RVS_CNN_EXTENDED, values)
    _fill(connection, RVS_CNN, values)
    connection.execute('CREATE INDEX ON catalogue.rvs_cnn_extended_v1 USING gist (point(ra, "dec"))')
    connection.execute("ANALYZE catalogue.rvs_cnn_extended_v1")
    switch_views(connection, 1)
    write_tap_schema(connection)
    assert BOUNDARY_LIMITS.name


def _values(rng: np.random.Generator, name: str, datatype: str, nullable: bool, n: int) -> object:
    if datatype == "char":
        return ["x"] * n
    if datatype in ("float", "double"):
        numbers = (rng.normal(0, 1, n) * 10 ** rng.uniform(-6, 6, n)).astype("f4" if datatype == "float" else "f8")
    else:
        numbers = rng.integers(0, 2**15 - 1, n)
    return np.ma.array(numbers, mask=rng.random(n) < 0.1) if nullable else numbers


def _fill(connection: psycopg.Connection, info: TableInfo, values: dict) -> None:
    copy_in(connection, f"{info.schema}.{info.name}_v1", {name: values[name] for name in info.column_names})


@dataclass
class Service:
    """A server that runs, and its database."""

    url: str
    database_url: str
    home: Path

    @property
    def tap(self) -> str:
        return f"{self.url}/tap"

    def sync(self, adql: str, client: str = "", **parameters: object) -> httpx.Response:
        headers = {"X-Forwarded-For": client} if client else {}
        form = {"LANG": "ADQL", "QUERY": adql, **parameters}
        return httpx.post(f"{self.tap}/sync", data=form, headers=headers, timeout=30)

    def rows(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql).fetchall()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Tell whether something comes true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def stacks(folder: Path) -> str:
    """Return what every thread does."""
    with (folder / "stacks").open("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read()


@contextmanager
def serving(database_url: str, home: Path, limits: str = "") -> Iterator[Service]:
    """Run the service in a thread, with `limits` as its service.toml."""
    home.mkdir(exist_ok=True)
    (home / FILE).write_text(limits)
    server = make_server(Settings(home=home, database_url=database_url), quiet=True)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield Service(f"http://127.0.0.1:{listening.getsockname()[1]}", database_url, home)
        finally:
            server.should_exit = True
            thread.join(120)
            assert not thread.is_alive(), stacks(home)


@pytest.fixture(scope="session")
def published_url(server_url: str, template_database: str) -> Iterator[str]:
    """URL of a database with a published catalogue, which no test changes but for jobs."""
    with database(server_url, template_database) as url:
        with psycopg.connect(url) as connection:
            publish(connection)
        yield url


@pytest.fixture(scope="session")
def service(published_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with its default limits."""
    with serving(published_url, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def serve(published_url: str, tmp_path: Path) -> Callable[[str], AbstractContextManager[Service]]:
    """Maker of services with other limits."""
    return lambda limits="": serving(published_url, tmp_path / "home", limits)
