"""Parameters of the queries in sql/selection, from a release's description."""

from typing import Any

from catalog.releases import Release

__all__ = ["cut_parameters"]


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
    """
    parameters = release.cuts.model_dump()
    bits = sorted(set(parameters.pop("aspcapflag_bits")))
    parameters["aspcapflag_mask"] = sum(1 << bit for bit in bits)
    parameters["aspcapflag_bits"] = ", ".join(map(str, bits))
    parameters["bp_bytes"] = 8 * release.xp.bp_coefficients
    parameters["rp_bytes"] = 8 * release.xp.rp_coefficients
    return parameters
