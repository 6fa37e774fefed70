"""What a download can fail with."""

from catalog.errors import RvscatError

__all__ = ["FetchError"]


class FetchError(RvscatError, ConnectionError):
    """An archive did not give what was asked: the address, what happened, how often it was tried, what to do."""
