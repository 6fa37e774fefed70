"""Searches with the small network and kills itself in trial 1; home and space as arguments, the latest run."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import psycopg

from catalog.database.ledger import find_run
from catalog.ensemble.search import SearchOptions, load_space, search, searching
from catalog.settings import Settings
from tests.ensemble.search.conftest import Heard


class Killer(Heard):
    """Lets no exception be handled and nothing be closed: as `kill -9` in the middle of a trial."""

    def __call__(self, done: float, total: float, what: str = "") -> None:
        if what.startswith("trial 1, epoch 4:"):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    home, space, url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    # A checkpoint after each epoch.
    searching.TrialTrainer = partial(searching.TrialTrainer, checkpoint_seconds=0.0)  # type: ignore[assignment, misc]
    with psycopg.connect(url) as connection:
        options = SearchOptions("random", 2, 15, 3, load_space(space))
        search(connection, find_run(connection), Settings(home=home, database_url=url), options, Killer())
