"""Parameters of the queries in sql/selection, from a release's description."""

import json
from typing import Any

from catalog.errors import SampleError
from catalog.releases import Release

__all__ = ["cut_parameters", "expected_parameter"]

_APOGEE_IDENTIFIERS = "dr3"
"""APOGEE DR17 names Gaia EDR3 identifiers, which are those of DR3."""


def cut_parameters(release: Release) -> dict[str, Any]:
    """Return the thresholds of Sect. 2 under the names that the queries use.

    Parameters
    ----------
    release : Release

    Returns
    -------
    dict
        The fields of ``release.cuts``; ``aspcapflag_mask`` and ``aspcapflag_bits`` (words) in place of
        the list of bits; ``bp_bytes`` and ``rp_bytes``, lengths of full coefficient arrays.

    Raises
    ------
    SampleError
        The release has other identifiers than APOGEE's file: equal numbers would be different stars.
    """
    if release.source_ids != _APOGEE_IDENTIFIERS:
        raise SampleError(
            f"APOGEE names stars by their Gaia {_APOGEE_IDENTIFIERS.upper()} identifiers; those of release "
            f"{release.name} are others, and equal numbers need not be the same star.",
            "A join through the archive's neighbourhood table of the two releases is needed, which rvscat does not do.",
        )
    parameters = release.cuts.model_dump()
    bits = sorted(set(parameters.pop("aspcapflag_bits")))
    parameters["aspcapflag_mask"] = sum(1 << bit for bit in bits)
    parameters["aspcapflag_bits"] = ", ".join(map(str, bits))
    parameters["bp_bytes"] = 8 * release.xp.bp_coefficients
    parameters["rp_bytes"] = 8 * release.xp.rp_coefficients
    return parameters


def expected_parameter(release: Release) -> str:
    """Return the counts that the paper states for `release` as the JSON object that funnel_report.sql takes."""
    return json.dumps({**release.expected.counts, "tolerance": release.expected.tolerance})
