"""Survey files being read in threads of their own: the next one while the last is still being written."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from catalog.releases import Release
from catalog.surveys.ahead import Ahead
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.file_ledger import sha256_of
from catalog.surveys.product import Product
from catalog.surveys.products import SurveyFile, open_survey

__all__ = ["Reading", "read_in_turn"]

# Parsed batches that wait for the database: some 2 MB each for spectra.
_DEPTH = 3

# Files that are being read at once.
_FILES = 2


class Reading:
    """A file that is being read; a context that ends the reading.

    Parameters
    ----------
    path : Path
    product : str
        Name of the survey product.
    release : Release
    known_sha256 : str, optional
        Checksum of the file of that name that is in the database: of the same nothing more is read.

    Raises
    ------
    FormatError
        By each method: the file cannot be read or understood.
    """

    def __init__(self, path: Path, product: str, release: Release, known_sha256: str | None = None) -> None:
        self._begin = (path, product, release)
        self._steps = Ahead(_steps(path, product, release, known_sha256), _DEPTH)

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the reading, wherever it is."""
        self._steps.close()

    def sha256(self) -> str:
        """Return the file's checksum. To be asked for first."""
        step = next(self._steps)
        assert isinstance(step, str)
        return step

    def survey(self) -> SurveyFile:
        """Return the opened file. To be asked for second."""
        step = next(self._steps, None)
        if step is None:
            # It was known when this began, and is no longer.
            self._steps.close()
            self._steps = Ahead(_steps(*self._begin, None), _DEPTH)
            self.sha256()
            step = next(self._steps)
        assert isinstance(step, SurveyFile)
        return step

    def batches(self) -> Iterator[SurveyBatch]:
        """Yield the file's rows."""
        for step in self._steps:
            assert isinstance(step, SurveyBatch)
            yield step


def _steps(
    path: Path, product: str, release: Release, known_sha256: str | None
) -> Iterator[str | SurveyFile | SurveyBatch]:
    sha256 = sha256_of(path)
    yield sha256
    if sha256 != known_sha256:
        survey = open_survey(path, product, release)
        yield survey
        yield from survey.batches()


def read_in_turn(
    files: Sequence[tuple[Product, Path]], release: Release, known: Mapping[tuple[str, str], str]
) -> Generator[tuple[Product, Path, Reading]]:
    """Yield files in their order; reading the next begins before the one before it is yielded.

    Parameters
    ----------
    files : sequence of (Product, Path)
    release : Release
    known : mapping
        Checksums of the files in the database, by product and name.
    """
    begun: deque[Reading] = deque()
    n_begun = 0
    try:
        for product, path in files:
            while len(begun) < _FILES and n_begun < len(files):
                ahead, file = files[n_begun]
                begun.append(Reading(file, ahead.name, release, known.get((ahead.name, file.name))))
                n_begun += 1
            yield product, path, begun[0]
            begun.popleft().close()
    finally:
        for reading in begun:
            reading.close()
