"""Catalogues about the stars of the synthetic sky: open-cluster members and StarHorse distances."""

import numpy as np
import pandas as pd
from astropy.io import fits

from catalog.mock.fits_files import binary_table
from catalog.mock.streams import pick, stream

__all__ = ["CLUSTER_FILE", "STARHORSE_FILE", "cluster_hdus", "starhorse_hdus"]

CLUSTER_FILE = "oc_members_gaiadr3_mh_gspspec.fits"
STARHORSE_FILE = "starhorse_gaia_rvs_v2.fits"


def cluster_hdus(seed: int, stars: pd.DataFrame) -> list[fits.hdu.base.ExtensionHDU]:
    """Return the table of cluster members with their probabilities and GSP-Spec metallicities; a few are wrong.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Columns of `stars.draw_stars` and `observation.observe`.

    Returns
    -------
    list of HDU
        One table.
    """
    rng = stream(seed, "clusters")
    inside = (stars["cluster"] != "").to_numpy()
    names_of = np.unique(stars["cluster"][inside])
    intruders = pick(rng, ~inside & stars["has_rvs"].to_numpy(), max(1, len(names_of) // 2))
    rows = np.flatnonzero(inside | intruders)
    cluster = stars["cluster"].to_numpy()[rows].copy()
    wrong = cluster == ""
    cluster[wrong] = rng.choice(names_of, int(wrong.sum()))
    metals = ("mh_gspspec", "mh_gspspec_lower", "mh_gspspec_upper")
    order = np.lexsort((stars["source_id"].to_numpy()[rows], cluster.astype(str)))
    probability = np.where(wrong, rng.uniform(0.1, 0.5, rows.size), rng.choice([0.7, 0.8, 0.9, 1.0], rows.size))
    values = {
        "Cluster": cluster.astype("S17")[order],
        "Proba": probability[order],
        "source_id": stars["source_id"].to_numpy()[rows][order],
        **{name: stars[name].to_numpy()[rows][order] for name in metals},
    }
    columns = [("Cluster", "17A", ""), ("Proba", "E", ""), ("source_id", "K", "")]
    columns += [(name, "E", "'dex'") for name in metals]
    return [binary_table(columns, values, rows.size, name="Joined")]


def starhorse_hdus(seed: int, stars: pd.DataFrame) -> list[fits.hdu.base.ExtensionHDU]:
    """Return the table of Bayesian distances of nine stars in ten.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Columns of `stars.draw_stars` and `observation.observe`.

    Returns
    -------
    list of HDU
        One table.
    """
    rng = stream(seed, "starhorse")
    chosen = stars["has_rvs"].to_numpy() & (rng.random(len(stars)) < 0.9) & (stars["flaw"] != "no parallax").to_numpy()
    seen = stars[chosen]
    n = len(seen)
    distance = seen["distance"].to_numpy()
    relative = np.clip(np.hypot(0.02, 0.35 * seen["parallax_error"].to_numpy() * distance), 0.02, 0.3)
    middle = distance * np.exp(rng.normal(0.0, 1.0, n) * relative)
    a_v = seen["a_v"].to_numpy() + rng.normal(0.0, 0.10, n)
    steps = {"05": -1.645, "16": -0.994, "50": 0.0, "84": 0.994, "95": 1.645}
    values: dict[str, object] = {"source_id": seen["source_id"].to_numpy()}
    columns = [("source_id", "K", "")]
    widths = {"dist": (middle, relative * middle, "kpc"), "AV": (a_v, np.full(n, 0.13), "mag")}
    for name, (centre, width, unit) in widths.items():
        for quantile, step in steps.items():
            columns.append((f"{name}{quantile}", "E", unit))
            values[f"{name}{quantile}"] = np.maximum(centre + step * width, 0.001 if name == "dist" else -0.3)
    labels = {"teff": ("teff", 60.0, "K"), "logg": ("logg", 0.08, "log(cm.s**-2)"), "met": ("mh", 0.06, "'dex'"),
              "mass": ("mass", 0.1, "solMass")}  # fmt: skip
    for name, (source, width_, unit) in labels.items():
        centre = seen[source].to_numpy() + rng.normal(0.0, width_, n)
        for quantile in ("16", "50", "84"):
            columns.append((f"{name}{quantile}", "E", unit))
            values[f"{name}{quantile}"] = centre + steps[quantile] * width_
    columns.append(("starhorse_outputflag", "4A", ""))
    values["starhorse_outputflag"] = np.where(rng.random(n) < 0.97, "0000", "0010").astype("S4")
    return [binary_table(columns, values, n)]
