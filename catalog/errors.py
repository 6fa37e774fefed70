"""Every error that a user can meet: each names the file or row, the rule and the remedy.

Each class also derives from the builtin it resembles, so that code which knows nothing of
rvscat can still catch it.
"""

__all__ = [
    "ArtefactError",
    "ConfigurationError",
    "DatabaseError",
    "FormatError",
    "NotFoundError",
    "QueryError",
    "RvscatError",
    "SampleError",
    "TrainingError",
]


class RvscatError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : str
        What is wrong and where: the file, row or setting, and the rule it broke.
    remedy : str, optional
        What the user can do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} {remedy}".strip())

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # Exceptions cross process borders (training workers): keep both parts.
        return type(self), (self.message, self.remedy)


class ConfigurationError(RvscatError, ValueError):
    """A setting, profile or release file holds something that cannot be used."""


class DatabaseError(RvscatError, RuntimeError):
    """The database cannot be started, reached, or is not at the expected revision."""


class FormatError(RvscatError, ValueError):
    """A survey file does not follow its published format; the whole file is refused."""


class SampleError(RvscatError, ValueError):
    """Too few stars, or none, for what was asked."""


class ArtefactError(RvscatError, ValueError):
    """A saved ensemble is damaged, incomplete, or made for other data."""


class NotFoundError(RvscatError, LookupError):
    """A run, star, release or table of that name does not exist."""


class QueryError(RvscatError, ValueError):
    """An ADQL query is malformed or asks for what the service does not allow."""


class TrainingError(RvscatError, RuntimeError):
    """A training process ended before its work was done."""
