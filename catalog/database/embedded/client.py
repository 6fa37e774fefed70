"""How an outside client such as psql is pointed at a server without its password in any command line."""

import os
import shutil
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from catalog.database.embedded.binaries import bundled_program
from catalog.errors import DatabaseError
from catalog.settings import Settings

__all__ = ["client_environment", "psql_program"]


def client_environment(url: str, *, complete: bool) -> tuple[dict[str, str], str]:
    """Return what a libpq client needs to connect to `url`.

    Parameters
    ----------
    url : str
        ``postgresql://`` URL.
    complete : bool
        Whether `url` says everything, so that connection variables of the present environment are dropped.

    Returns
    -------
    environment : dict of str to str
        The present environment with PGHOST, PGPASSWORD and so on.
    conninfo : str
        Parameters that have no such variable, for the command line; never the password.
    """
    variables = {
        option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar
    }
    environment = {key: value for key, value in os.environ.items() if not (complete and key in variables.values())}
    rest = {}
    for keyword, value in conninfo_to_dict(url).items():
        if keyword in variables:
            environment[variables[keyword]] = str(value)
        else:
            rest[keyword] = str(value).replace("\\", r"\\").replace("'", r"\'")
    return environment, " ".join(f"{keyword}='{value}'" for keyword, value in rest.items())


def psql_program(settings: Settings) -> Path:
    """Return the psql to use: the bundled one for the embedded server, the system's for any other.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    Path

    Raises
    ------
    DatabaseError
        There is neither.
    """
    installed = shutil.which("psql")
    system = Path(installed) if installed else None
    # The bundled psql has no TLS, which servers elsewhere may ask for.
    choices = (system, bundled_program("psql")) if settings.database_url else (bundled_program("psql"), system)
    found = next((program for program in choices if program), None)
    if found is None:
        raise DatabaseError("There is no psql on this machine.", "Install the PostgreSQL client programs.")
    return found
