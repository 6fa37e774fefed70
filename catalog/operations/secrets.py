"""Keeps passwords out of everything that is shown or logged."""

import os
import re
from urllib.parse import unquote, urlsplit

__all__ = ["mask"]

# The user's part of a URL ends at the last @ before the path; a password may itself hold : and @.
_IN_URL = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'\"]*):([^\s/'\"]+)@")
_NAMED = re.compile(
    r"((?:ssl)?password|passwd|pwd|secret|token|api_?key|auth_string)(['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;&'\")]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_VARIABLES = ("RVSCAT_DATABASE_URL", "PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")
_SECRETS = ("PGPASSWORD", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
_SHORTEST = 4
"""A password of fewer characters would take harmless words with it; in a URL it is masked all the same."""


def mask(text: str) -> str:
    """Return `text` without the passwords, keys and tokens in it.

    Masked are passwords of URLs, what follows ``password=`` and its like, and the very values of the variables in
    which this process was given secrets, wherever they stand.

    Parameters
    ----------
    text : str
    """
    masked = _IN_URL.sub(r"\1:***@", text)
    masked = _NAMED.sub(r"\1\2***", masked)
    masked = _BEARER.sub(r"\1 ***", masked)
    for secret in _known():
        masked = masked.replace(secret, "***")
    return masked


def _known() -> set[str]:
    found = {os.environ.get(name, "") for name in _SECRETS}
    for name in _VARIABLES:
        try:
            password = urlsplit(os.environ.get(name, "")).password or ""
        except ValueError:
            continue  # no URL: nothing in it that could be taken for a password
        found |= {password, unquote(password)}
    return {secret for secret in found if len(secret) >= _SHORTEST}
