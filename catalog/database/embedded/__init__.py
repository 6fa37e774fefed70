"""The embedded PostgreSQL server: made, started, found again and stopped without any set-up by the user.

The programs come from a Python wheel; the data lie in the data folder of `catalog.settings.Settings`, or, when
root runs rvscat and only root can read that folder, in a folder that an unprivileged account can reach.
Clients talk to it through a Unix socket in a private folder, with a password.
"""

from catalog.database.embedded.client import client_environment, psql_program
from catalog.database.embedded.server import ensure_server, remove_server, stop_server
from catalog.database.embedded.status import ServerStatus, server_status

__all__ = [
    "ServerStatus",
    "client_environment",
    "ensure_server",
    "psql_program",
    "remove_server",
    "server_status",
    "stop_server",
]
