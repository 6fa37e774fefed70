"""Sensitivity maps: mean gradients of the labels with respect to every input of the networks (Sect. 3.5).

A gradient is that of one star's label by one network. It is averaged over the stars of a region, and then over the
networks, whose standard deviation is kept. Its unit is that of the label (K, dex)

- for a pixel: by unit of normalised flux. Flux that rises is a line that becomes shallower;
- for a magnitude, the parallax and an XP coefficient: by its full range in the training sample, which the scalers map
  to the unit interval, so that inputs of different spreads can be compared. Divided by that range, ``maximum -
  minimum`` in ``scalers.json``, it is one by mag, mas or unit of the coefficient.

An input that is the same for every training star (the first coefficient of each half, relative to itself) is mapped to
0 whatever its value: no label depends on it, and its gradient is 0.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.database.ledger import Run
from catalog.ensemble.network import INPUTS
from catalog.ensemble.prediction.members import SavedMembers
from catalog.ensemble.registry.artefact import Manifest, read_scalers, verify_artefact
from catalog.ensemble.registry.keys import folder_name
from catalog.ensemble.studies.averaging import StudiedStars
from catalog.ensemble.studies.correlation import correlations
from catalog.ensemble.studies.every_member import EnsembleAverages, ensemble_averages
from catalog.ensemble.studies.lines import agreement, known_lines, strongest_peaks
from catalog.ensemble.studies.records import Sensitivity, write_correlations, write_sensitivity
from catalog.ensemble.studies.regions import Region, draw_regions
from catalog.ensemble.studies.stage import study_key
from catalog.features import TrainingSet, load_training_set, xp_names
from catalog.metadata import LABELS
from catalog.profiles.model import SensitivitySettings
from catalog.progress import Progress
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["study_sensitivity"]

# Of a label's standard deviation in the training sample: what changes it less matters hardly.
_HARDLY = 0.05


def study_sensitivity(
    connection: Connection, run: Run, ensemble_id: int, folder: Path, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """Compute the sensitivity maps of an ensemble, and the correlation of XP coefficients and labels.

    Each member's gradients are kept until all are there: a study that was stopped goes on with the members that are
    missing. Spectra are mapped from a file, so that memory does not grow with the training sample.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Its training sample is the one that the ensemble was trained on.
    ensemble_id : int
    folder : pathlib.Path
        Of the ensemble.
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        Regions, stars and members; how many of the strongest peaks fall on known lines and how many would by chance;
        and ``notes``, for instance on regions without stars.

    Raises
    ------
    ArtefactError
        The ensemble is damaged, or was made for another grid.
    ConfigurationError
        Keras runs on a backend that cannot differentiate.
    """
    chosen = run.profile.studies.sensitivity
    manifest = verify_artefact(folder, load_release(run.profile.release).rvs)
    scalers = read_scalers(folder)
    # `.work-*` that nobody has come back to for a week are removed by the next training.
    work = settings.ensembles / f".work-study-{folder_name(study_key(run, 'sensitivity', folder))}"
    work.mkdir(parents=True, exist_ok=True)
    progress(0, 1, "reading the training sample")
    regions = draw_regions(connection, run, chosen.regions, chosen.stars, chosen.seed)
    training = load_training_set(connection, run, work)
    # What follows takes long: nothing stays open meanwhile.
    connection.commit()
    inside = np.array([np.isin(training.source_id, region.source_id) for region in regions]).reshape(-1, len(training))
    saved = SavedMembers(folder, manifest, scalers, settings.workers)
    stars = StudiedStars(training, inside, scalers, saved.inputs)
    averages = ensemble_averages(work, manifest, saved, stars, progress) if stars.rows.size else None
    progress(1, 1, "writing gradients")
    found = [_in_region(i, region, stars, averages, manifest, chosen) for i, region in enumerate(regions)]
    write_sensitivity(connection, ensemble_id, found, scalers, len(manifest.members))
    if len(training) > 1:
        xp = load_release(run.profile.release).xp
        names = xp_names(xp.bp_coefficients, xp.rp_coefficients)
        write_correlations(connection, ensemble_id, names, len(training), *correlations(training.xp, training.labels))
    figures = _figures(found, manifest, chosen)
    figures["notes"] += _dependence(found, training)
    if averages is not None and averages.n_known:
        figures["notes"].append(
            f"{averages.n_known} members had been done before the study was stopped: it went on after them."
        )
    del stars, training
    shutil.rmtree(work, ignore_errors=True)
    return figures


def _in_region(
    number: int,
    region: Region,
    stars: StudiedStars,
    averages: EnsembleAverages | None,
    manifest: Manifest,
    chosen: SensitivitySettings,
) -> Sensitivity:
    """Put together what is known of one region."""
    rows = np.flatnonzero(stars.inside[number])
    if averages is None or not rows.size:
        nothing = np.empty(0)
        return Sensitivity(region, 0, nothing, nothing, {}, {}, {}, [()] * len(LABELS))
    gradient, scatter, influence = (
        {name: values[number] for name, values in parts.items()}
        for parts in (averages.gradient, averages.scatter, averages.influence)
    )
    peaks = [
        strongest_peaks(curve, manifest.grid, chosen.peaks, known_lines(), chosen.tolerance)
        for curve in gradient[INPUTS[0]]
    ]
    flux = stars.training.flux[rows].mean(axis=0, dtype=np.float64)
    labels = stars.training.labels[rows].mean(axis=0)
    return Sensitivity(region, rows.size, labels, flux, gradient, scatter, influence, peaks)


def _figures(found: Sequence[Sensitivity], manifest: Manifest, chosen: SensitivitySettings) -> dict[str, Any]:
    """Sum up what was found."""
    notes = [
        f"No training star lies in the region {one.region.name!r} ({one.region.rule}): it has no sensitivity map."
        for one in found
        if not one.n_stars
    ]
    filled = [one for one in found if one.n_stars]
    figures: dict[str, Any] = {
        "members": len(manifest.members),
        "regions": len(filled),
        "stars": sum(one.n_stars for one in filled),
    }
    lines = known_lines()
    peaks = [peak for one in filled for curve in one.peaks for peak in curve]
    overall = agreement(peaks, manifest.grid, lines, chosen.tolerance)
    figures |= {
        "peaks": overall.n,
        "peaks_on_lines": overall.n_on_lines,
        "expected_on_lines": round(overall.expected, 3),
    }
    for i, label in enumerate(LABELS):
        one_label = agreement([p for one in filled for p in one.peaks[i]], manifest.grid, lines, chosen.tolerance)
        if one_label.n:
            figures[f"on_lines/{label.name}"] = round(one_label.fraction, 3)
    if overall.n:
        notes.append(
            f"{overall.fraction:.0%} of the strongest peaks of the gradients fall on known lines within "
            f"{chosen.tolerance:g} nm; {overall.expected:.0%} would by chance."
        )
    return figures | {"notes": notes}


def _dependence(found: Sequence[Sensitivity], training: TrainingSet) -> list[str]:
    """Tell what the spectra matter in the first region that has stars."""
    one = next((one for one in found if one.n_stars), None)
    if one is None:
        return []
    influence, spread = one.influence[INPUTS[0]], training.labels.std(axis=0)
    told = ", ".join(
        f"{label.text} by {value:.{label.decimals + 1}f} {'K' if label.name == 'teff' else 'dex'}"
        for label, value in zip(LABELS, influence, strict=True)
    )
    notes = [f"With the mean spectrum instead of each star's own, labels change: {told} (rms, {one.region.name})."]
    if (influence < _HARDLY * spread).all():
        notes.append(
            "The networks hardly use the spectra: their labels come from the other inputs. Perhaps the penalty "
            "`network.kernel_l2` outweighs what spectra could add."
        )
    return notes
