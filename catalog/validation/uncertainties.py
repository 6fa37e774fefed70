"""How an ensemble's uncertainties were made: bins, polynomials and factors as ``production.ensemble`` records them."""

from collections.abc import Mapping
from typing import Any

from catalog.metadata import LABELS

__all__ = ["uncertainty_table"]


def uncertainty_table(recorded: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the rows of the report's table, two a label: the paper's sigma and the calibrated one.

    Parameters
    ----------
    recorded : mapping or None
        ``production.ensemble.uncertainty``.

    Returns
    -------
    list of dict
        ``label``; ``kind`` sigma or calibrated; ``n`` stars; ``width`` of a bin in the label's unit; ``n_bins``, and
        ``joined`` that were left after sparse ones were joined; ``fewest`` stars of a bin; ``degree`` as fitted;
        ``lowest`` and ``highest`` value of d; ``factor`` and ``coverage`` (within one and two sigma, cross-validated),
        None for the paper's sigma. Empty when nothing is recorded.
    """
    if not recorded or "fits" not in recorded:
        return []
    calibrated = recorded.get("calibrated") or {"fits": {}}
    rows = []
    for label in LABELS:
        rows.append({**_row(recorded["fits"][label.name]), "label": label, "kind": "sigma"})
        if label.name in calibrated["fits"]:
            found, tested = calibrated["fits"][label.name], calibrated["cross_validation"]
            rows.append(
                {
                    **_row(found["fit"]),
                    "label": label,
                    "kind": "calibrated",
                    "factor": found["factor"],
                    "coverage": [tested["coverage_1"][label.name], tested["coverage_2"][label.name]],
                }
            )
    return rows


def _row(fit: Mapping[str, Any]) -> dict[str, Any]:
    return {
        # Ensembles of earlier versions do not state it.
        "width": (fit["edges"][-1] - fit["edges"][0]) / fit["n_bins"],
        "n_bins": fit["n_bins"],
        "joined": len(fit["n"]),
        "fewest": fit["min_stars_per_bin"],
        "degree": fit["degree"],
        "n": sum(fit["n"]),
        "lowest": fit["lowest"],
        "highest": fit["highest"],
        "factor": None,
        "coverage": [None, None],
    }
