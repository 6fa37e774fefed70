"""Printed rows of the two Gaia products that hold arrays: RVS mean spectra and XP coefficients."""

import numpy as np
import pandas as pd
import pyarrow as pa

from catalog.mock.ecsv import arrays_as_text, as_text
from catalog.mock.streams import stream
from catalog.mock.xp import XpSpectra

__all__ = ["rvs_mean_spectrum", "xp_continuous_mean_spectrum"]

# Identifiers of the processing and of the bases, as real files carry them.
RVS_SOLUTION_ID = 5950420259779346465
XP_SOLUTION_ID = 4545469030156206080
BP_BASIS, RP_BASIS = 56, 57


def rvs_mean_spectrum(stars: pd.DataFrame, flux: np.ndarray, error: np.ndarray) -> dict[str, pa.Array]:
    """Return printed columns of rvs_mean_spectrum.

    Parameters
    ----------
    stars : pandas.DataFrame
        Stars with a spectrum, shape (n,).
    flux, error : numpy.ndarray, shape (n, n_pixels), float32

    Returns
    -------
    dict of str to pyarrow.StringArray
    """
    n = len(stars)
    transits = stars["transits"].to_numpy().astype(np.int16)
    scalars = {
        "source_id": stars["source_id"].to_numpy(),
        "solution_id": RVS_SOLUTION_ID,
        "ra": stars["ra"].to_numpy(),
        "dec": stars["dec"].to_numpy(),
        "combined_transits": transits,
        "combined_ccds": (2.7 * transits).astype(np.int16),
        "deblended_ccds": (1.1 * transits).astype(np.int16),
    }
    texts = {name: as_text(value, n) for name, value in scalars.items()}
    return {**texts, "flux": arrays_as_text(flux), "flux_error": arrays_as_text(error)}


def xp_continuous_mean_spectrum(
    seed: int, stars: pd.DataFrame, spectra: XpSpectra, correlations: tuple[list[str], list[str]]
) -> dict[str, pa.Array]:
    """Return printed columns of xp_continuous_mean_spectrum.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Stars with XP spectra, shape (n,); those without ``has_bp`` have null BP columns.
    spectra : XpSpectra
    correlations : tuple of lists of str
        Printed correlation matrices to choose from, BP and RP.

    Returns
    -------
    dict of str to pyarrow.StringArray
    """
    n = len(stars)
    draws = np.array([stream(seed, "xp counts", int(i)).random(4) for i in stars["source_id"]]).reshape(n, 4)
    texts = {
        "source_id": as_text(stars["source_id"].to_numpy(), n),
        "solution_id": as_text(XP_SOLUTION_ID, n),
    }
    halves = (
        ("bp", BP_BASIS, ~stars["has_bp"].to_numpy(), spectra.bp, spectra.bp_error, spectra.bp_relevant),
        ("rp", RP_BASIS, np.zeros(n, dtype=bool), spectra.rp, spectra.rp_error, spectra.rp_relevant),
    )
    for half, (band, basis, missing, coefficients, error, relevant) in enumerate(halves):
        length = coefficients.shape[1]
        measurements = (800 + 4000 * draws[:, half]).astype(np.int16)
        deviation = (0.95 + 0.4 * draws[:, 2 + half]).astype(np.float32)
        scalars = {
            "basis_function_id": np.full(n, basis, dtype=np.int16),
            "degrees_of_freedom": measurements - length,
            "n_parameters": np.full(n, length, dtype=np.int16),
            "n_measurements": measurements,
            "n_rejected_measurements": (40 * draws[:, half]).astype(np.int16),
            "standard_deviation": deviation,
            "chi_squared": (deviation**2 * (measurements - length)).astype(np.float32),
            "n_relevant_bases": relevant,
            "relative_shrinking": (1.0 - 0.02 * draws[:, 2 + half] ** 4).astype(np.float32),
        }
        for name, value in scalars.items():
            texts[f"{band}_{name}"] = as_text(np.ma.array(value, mask=missing), n)
        texts[f"{band}_coefficients"] = arrays_as_text(coefficients, missing)
        texts[f"{band}_coefficient_errors"] = arrays_as_text(error, missing)
        matrices = correlations[half]
        chosen = [f'"[{matrices[int(draw * len(matrices))]}]"' for draw in draws[:, 2 + half]]
        chosen = ["null" if absent else text for absent, text in zip(missing, chosen, strict=True)]
        texts[f"{band}_coefficient_correlations"] = pa.array(chosen, pa.string())
    return texts
