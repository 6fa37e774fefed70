"""Where the stars are in the Galaxy, and what their abundances do there (Sect. 7, Fig. 24)."""

from catalog.validation.galactic.bimodality import SELECTIONS, bimodality_rows, selections, truth_rows
from catalog.validation.galactic.bins import Bin, bins
from catalog.validation.galactic.mixture import Mixture, fit_mixture
from catalog.validation.galactic.positions import galactocentric, galactocentric_frame
from catalog.validation.galactic.ridges import Ridges, fit_ridges
from catalog.validation.galactic.stars import STAR_FIELDS, TRUTH_FIELDS, Disc, place_stars

__all__ = [
    "SELECTIONS",
    "STAR_FIELDS",
    "TRUTH_FIELDS",
    "Bin",
    "Disc",
    "Mixture",
    "Ridges",
    "bimodality_rows",
    "bins",
    "fit_mixture",
    "fit_ridges",
    "galactocentric",
    "galactocentric_frame",
    "place_stars",
    "selections",
    "truth_rows",
]
