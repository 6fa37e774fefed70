"""RVS spectra in a local DataLink server, and the route to it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.fetch import ArchiveSession, FetchResult, Selection
from catalog.fetch.datalink import DatalinkSettings, fetch_datalink
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.releases.model import Source
from catalog.surveys import open_survey
from catalog.surveys.batch import SurveyBatch

NAME = "rvs_mean_spectrum"


@dataclass
class DatalinkSky:
    """RVS spectra of the release file, from a local data server."""

    url: str
    session: ArchiveSession
    folder: Path

    def source(self, **changes: object) -> Source:
        """Return the release's source with the local address and five identifiers a call; `changes` to its route."""
        source = load_release("dr3").sources[NAME]
        assert source.datalink is not None
        route = source.datalink.model_copy(update={"url": self.url, "chunk": 5, **changes})
        return source.model_copy(update={"datalink": route})

    def fetch(
        self,
        ids: np.ndarray | list[int] | Selection,
        *,
        progress: Progress = silent,
        jobs: int = 2,
        max_failures: int = 3,
        **changes: object,
    ) -> FetchResult:
        """Fetch from the local data server."""
        if not isinstance(ids, Selection):
            ids = Selection(source_ids=np.array(sorted(ids), dtype=np.int64))
        settings = DatalinkSettings(max_failures=max_failures)
        source = self.source(**changes)
        return fetch_datalink(NAME, source, self.folder, ids, self.session, progress, jobs=jobs, settings=settings)

    def contents(self) -> dict[str, bytes]:
        """Return the files that the survey's reader would read."""
        paths = [path for path in self.folder.iterdir() if not path.name.startswith("_")]
        return {path.name: path.read_bytes() for path in paths}


def spectra_in(files: list[Path]) -> dict[int, np.ndarray]:
    """Return the flux of each star in files, as the survey's reader finds it."""
    release = load_release("dr3")
    batches: list[SurveyBatch] = [batch for file in files for batch in open_survey(file, NAME, release).batches()]
    assert not any(batch.rejections for batch in batches)
    return {
        int(number): flux
        for batch in batches
        for number, flux in zip(np.ma.getdata(batch.columns["source_id"]), batch.columns["flux"], strict=True)
    }
