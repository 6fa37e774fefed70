"""Writes a synthetic sky in the surveys' official file formats."""

from pathlib import Path

import pandas as pd

from catalog.mock import apogee, galah, k2gap, members
from catalog.mock.fits_files import write_fits
from catalog.mock.gaia_files import write_gaia
from catalog.mock.manifest import write_manifest
from catalog.mock.observation import observe
from catalog.mock.stars import draw_stars
from catalog.mock.workplace import replacing
from catalog.profiles.model import MockSettings
from catalog.progress import Progress, silent
from catalog.releases import Release

__all__ = ["write_sky"]

TRUTH_COLUMNS = (
    "source_id", "kind", "population", "teff", "logg", "mh", "alpham", "feh", "distance", "r_gal", "z_gal",
)  # fmt: skip

# A table editor's habit: a VOTable header in the primary HDU of a FITS file.
VOTABLE_HEADER = b"<?xml version='1.0'?><VOTABLE version='1.3'><RESOURCE><TABLE name='Joined'/></RESOURCE></VOTABLE>"


def write_sky(folder: Path, mock: MockSettings, release: Release, progress: Progress = silent) -> dict[str, int]:
    """Write all surveys of a synthetic sky.

    The files are made in a hidden folder beside `folder`, which takes its place when they are whole: a writing
    that is killed leaves nothing that looks like a sky.

    Parameters
    ----------
    folder : Path
        Will hold one sub-folder a product. An earlier synthetic sky in it is replaced.
    mock : MockSettings
        Size, number of files and seed. The same settings give the same bytes.
    release : Release
        Pixel grid, XP bases, file names and cuts.
    progress : Progress
        Counts stars.

    Returns
    -------
    dict of str to int
        Rows by product, and bytes of all files.

    Raises
    ------
    ConfigurationError
        `folder` holds something that is no synthetic sky.
    """
    with replacing(folder) as workplace:
        stars = observe(mock.seed, draw_stars(mock))
        counts = _write_external(workplace, mock, release, stars)
        counts |= write_gaia(workplace, mock, release, stars, progress)
        counts["bytes"] = sum(path.stat().st_size for path in workplace.rglob("*") if path.is_file())
        write_manifest(workplace, mock, release, counts)
    return counts


def _write_external(folder: Path, mock: MockSettings, release: Release, stars: pd.DataFrame) -> dict[str, int]:
    """Write APOGEE, GALAH, K2 GAP, clusters, StarHorse and the truth."""
    for name in ("apogee", "galah", "k2gap", "clusters", "starhorse", "mock_truth"):
        (folder / name).mkdir()
    seed = mock.seed
    observations = apogee.observe_apogee(seed, stars, release.cuts)
    write_fits(folder / "apogee" / apogee.FILE_NAME, apogee.allstar_hdus(observations))
    southern = galah.galah_hdus(seed, stars)
    write_fits(folder / "galah" / galah.FILE_NAME, southern)
    giants = k2gap.k2gap_text(seed, stars)
    (folder / "k2gap" / k2gap.FILE_NAME).write_text(giants)
    clusters = members.cluster_hdus(seed, stars)
    write_fits(folder / "clusters" / members.CLUSTER_FILE, clusters, VOTABLE_HEADER)
    distances = members.starhorse_hdus(seed, stars)
    write_fits(folder / "starhorse" / members.STARHORSE_FILE, distances)
    truth = stars.loc[stars["has_rvs"], list(TRUTH_COLUMNS)]
    truth.round(dict.fromkeys(TRUTH_COLUMNS[3:], 5)).to_csv(
        folder / "mock_truth" / "mock_truth.csv", index=False, lineterminator="\n"
    )
    return {
        "apogee": len(observations),
        "galah": len(southern[0].data),
        "k2gap": giants.count("\n") - 1,
        "clusters": len(clusters[0].data),
        "starhorse": len(distances[0].data),
        "mock_truth": len(truth),
    }
