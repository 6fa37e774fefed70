"""The two sequences of [α/M] in bins of R and |Z| as rows of a comparison (Sect. 7, Fig. 24)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.validation.galactic.mixture import FEWEST, upper_share
from catalog.validation.galactic.ridges import Ridges, fit_ridges
from catalog.validation.galactic.stars import Disc, place_stars

__all__ = ["EVERYWHERE", "SELECTIONS", "bimodality_rows", "selections", "truth_rows"]

EVERYWHERE = "everywhere"
"""Name of the subset of all bins together."""

SELECTIONS = ("giants of low S/N", "all stars")
"""The paper's selection, and every observed star inside the limits."""


@dataclass(frozen=True)
class _Sequences:
    """What the stars of a bin say about the two sequences."""

    n: int
    """Stars of an [M/H] at which both sequences exist."""
    ridges: Ridges | None
    seen: bool
    """Whether two lines are better than one, and apart."""
    fraction: float | None
    """Share of the upper of the sequences of all bins together, among these stars."""
    error: float | None
    """Its standard error."""


def _sequences(disc: Disc, mask: np.ndarray, parameters: Mapping[str, Any], whole: Ridges | None) -> _Sequences:
    """Ask how many sequences there are among stars; `whole` has those of all bins together."""
    low, high = disc.both
    mh, alpham = disc.mh[mask], disc.alpham[mask]
    both = (mh >= low) & (mh <= high) & np.isfinite(alpham)
    x, y = mh[both].astype(np.float64) - (low + high) / 2, alpham[both].astype(np.float64)
    ridges = fit_ridges(x, y, whole.slope if whole is not None else None)
    if ridges is None:
        return _Sequences(x.size, None, False, None, None)
    known = whole if whole is not None else ridges
    share, error = upper_share(y - known.slope * x, known.two)
    seen = ridges.dbic >= parameters["alpha_dbic_min"] and ridges.separation >= parameters["alpha_separation_min"]
    return _Sequences(x.size, ridges, seen, share, error)


def selections(disc: Disc) -> dict[str, np.ndarray]:
    """Return the mask of each of `SELECTIONS`."""
    return dict(zip(SELECTIONS, (disc.giant, np.ones(len(disc), dtype=bool)), strict=True))


def bimodality_rows(columns: Mapping[str, np.ndarray], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row a selection and bin of the stars of ``sql/validation/bimodality.sql``.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray
    parameters : mapping
        ``alpha_both_min``, ``alpha_both_max``: [M/H] at which both sequences exist; ``alpha_dbic_min``,
        ``alpha_separation_min``: from which on two are seen; ``alpha_mh_min``, ``alpha_mh_max``,
        ``alpha_division``: stars above the division count as high; edges of bins; constants of the frame.

    Returns
    -------
    list of dict
        ``dbic``, ``separation``, ``gap``, ``fraction``, ``high`` and the fitted lines beside the columns of every
        comparison.
    """
    disc = place_stars(columns, parameters)
    rows = []
    for subset, mask, found in _found(disc, parameters):
        mh, alpham = disc.mh[mask], disc.alpham[mask]
        disky = (mh >= parameters["alpha_mh_min"]) & (mh <= parameters["alpha_mh_max"])
        high = alpham[disky] > parameters["alpha_division"]
        rows.append(
            _row(subset, found.n)
            | _merit(found)
            | {"high": float(high.mean()) if high.size >= FEWEST else None, "stars": int(mask.sum())}
        )
    return rows


def truth_rows(columns: Mapping[str, np.ndarray], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is found of the injected sequences.

    Recovered: by distances and labels of the catalogue. Injected: the same stars by their true positions,
    metallicities and populations; the gap by their true abundances.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray
        Of ``sql/validation/bimodality.sql`` and ``bimodality_truth.sql``, for the same stars.
    parameters : mapping
        As for `bimodality_rows`.

    Returns
    -------
    list of dict
        ``fraction``, ``injected``, their ``difference`` and its standard error, and for all bins together
        ``gap_ratio``, recovered to injected, beside the columns of every comparison.
    """
    disc = place_stars(columns, parameters)
    true = Disc(
        columns["r_truth"],
        columns["z_truth"],
        columns["mh_truth"],
        columns["alpham_truth"],
        disc.giant,
        disc.areas,
        disc.both,
    )
    both = (true.mh >= true.both[0]) & (true.mh <= true.both[1])
    injected = {subset: columns["high_truth"][mask & both] for subset, mask in _subsets(true)}
    gaps = {
        subset: found.ridges.gap
        for subset, _, found in _found(true, parameters, only_everywhere=True)
        if found.ridges is not None
    }
    rows = []
    for subset, _, found in _found(disc, parameters):
        truth = injected[subset]
        share = float(truth.mean()) if truth.size else None
        difference = None if found.fraction is None or share is None else found.fraction - share
        row = {"fraction": found.fraction, "injected": share, "difference": difference, "difference_error": found.error}
        if subset in gaps and found.ridges is not None:
            row["gap_ratio"] = found.ridges.gap / gaps[subset] if gaps[subset] > 0 else None
        # A bin is as sure as the smaller of its two sets of stars.
        rows.append(_row(subset, min(found.n, truth.size)) | row)
    return rows


def _found(
    disc: Disc, parameters: Mapping[str, Any], *, only_everywhere: bool = False
) -> Iterator[tuple[str, np.ndarray, _Sequences]]:
    """Yield name, mask and sequences of each subset: all bins of a selection together, then each with their slope."""
    whole: Ridges | None = None
    for subset, mask in _subsets(disc):
        everywhere = subset.endswith(EVERYWHERE)
        if everywhere or not only_everywhere:
            found = _sequences(disc, mask, parameters, None if everywhere else whole)
            whole = found.ridges if everywhere else whole
            yield subset, mask, found


def _subsets(disc: Disc) -> Iterator[tuple[str, np.ndarray]]:
    inside = [area.holds(disc.r, disc.z) for area in disc.areas]
    for name, chosen in selections(disc).items():
        yield f"{name}, {EVERYWHERE}", chosen & np.any(inside, axis=0)
        for area, here in zip(disc.areas, inside, strict=True):
            yield f"{name}, {area.name}", chosen & here


def _row(subset: str, n: int) -> dict[str, Any]:
    return {"subset": subset, "label": "alpham", "n": n, "bias": None, "dispersion": None, "robust_dispersion": None}


def _merit(found: _Sequences) -> dict[str, Any]:
    ridges = found.ridges
    return {
        "dbic": ridges.dbic if ridges else None,
        "separation": ridges.separation if ridges else None,
        "gap": ridges.gap if ridges else None,
        "fraction": found.fraction,
        "seen": found.seen,
        "low": ridges.two.means[0] if ridges else None,
        "upper": ridges.two.means[1] if ridges else None,
        "weight": ridges.two.weights[1] if ridges else None,
        "width": ridges.two.width if ridges else None,
        "slope": ridges.slope if ridges else None,
    }
