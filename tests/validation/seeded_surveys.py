"""Survey rows of seeded stars: Gaia's, and a share of them in each external survey."""

import numpy as np

from catalog.database.copy_in import copy_in
from tests.validation.seeded_truth import LABELS, spectra

__all__ = ["external_rows", "survey_rows"]

GOOD_GSPSPEC = "0" * 41


def survey_rows(connection, run, rng, files, source_id, truth, snr, g, bp_rp, distance) -> None:
    n = source_id.size
    copy_in(
        connection,
        "survey.gaia_source",
        {
            "release": [run.release] * n,
            "source_id": source_id,
            "ra": rng.uniform(0, 359.9, n),
            "dec": rng.uniform(-89, 89, n),
            "parallax": 1 / distance,
            "phot_g_mean_mag": g,
            "bp_rp": bp_rp,
            "rvs_spec_sig_to_noise": snr,
            "file_id": np.full(n, files["gaia_source"]),
        },
    )
    # GSP-Spec as published lies where the published calibration brings it back to the truth, plus noise.
    x = truth["logg"] - 0.35 + rng.normal(0, 0.17, n)
    flags = np.where(rng.random(n) < 0.5, GOOD_GSPSPEC, "0000001" + "0" * 34)
    copy_in(
        connection,
        "survey.astrophysical_parameters",
        {
            "release": [run.release] * n,
            "source_id": source_id,
            "teff_gspphot": truth["teff"] + rng.normal(60, 140, n),
            "logg_gspphot": truth["logg"] + rng.normal(0.05, 0.2, n),
            "mh_gspphot": np.where(rng.random(n) < 0.9, truth["mh"] - 0.2 + rng.normal(0, 0.22, n), np.nan),
            "teff_gspspec": truth["teff"] + rng.normal(20, 130, n),
            "logg_gspspec": x,
            "mh_gspspec": truth["mh"] + rng.normal(0.02, 0.12, n),
            "alphafe_gspspec": truth["alpham"] + rng.normal(0.02, 0.08, n),
            "flags_gspspec": flags.tolist(),
            "file_id": np.full(n, files["astrophysical_parameters"]),
        },
    )
    some = np.sort(rng.choice(n, min(n, 400), replace=False))
    copy_in(
        connection,
        "survey.rvs_spectrum",
        {
            "release": [run.release] * some.size,
            "source_id": source_id[some],
            "flux": spectra({name: values[some] for name, values in truth.items()}, snr[some], rng),
            "file_id": np.full(some.size, files["rvs_mean_spectrum"]),
        },
    )


def external_rows(connection, rng, files, source_id, truth, apogee, kind, population, has_apogee, snr) -> None:
    n = source_id.size
    rows = np.flatnonzero(has_apogee)
    copy_in(
        connection,
        "survey.apogee_star",
        {
            "file_id": np.full(rows.size, files["apogee"]),
            "row_number": rows + 1,
            "apogee_id": [f"2M{i:08d}" for i in rows],
            "gaiaedr3_source_id": source_id[rows],
            "snr": np.full(rows.size, 150.0),
            "teff": apogee["teff"][rows],
            "logg": apogee["logg"][rows],
            "m_h": apogee["mh"][rows],
            "alpha_m": apogee["alpham"][rows],
            "fe_h": apogee["feh"][rows],
            "aspcapflag": np.zeros(rows.size, dtype=np.int64),
        },
    )
    ordinary = ~np.isin(kind, ["hot", "m_giant"])
    stars = rng.choice(np.flatnonzero(ordinary), n // 3, replace=False)
    stars = np.concatenate([stars, stars[:25]])
    snr_c3 = rng.uniform(25, 120, stars.size)
    copy_in(
        connection,
        "survey.galah_star",
        {
            "file_id": np.full(stars.size, files["galah"]),
            "row_number": np.arange(1, stars.size + 1),
            "sobject_id": np.arange(stars.size) + 131217003101000,
            "dr3_source_id": source_id[stars],
            "flag_sp": np.where(rng.random(stars.size) < 0.1, 16, 0),
            "flag_guess": np.zeros(stars.size, dtype=np.int64),
            "teff": truth["teff"][stars] + rng.normal(20, 70, stars.size),
            "logg": truth["logg"][stars] + rng.normal(0, 0.06, stars.size),
            "fe_h": truth["feh"][stars] + rng.normal(0, 0.05, stars.size),
            "flag_fe_h": np.zeros(stars.size, dtype=np.int64),
            "alpha_fe": truth["alpham"][stars] + rng.normal(0.01, 0.04, stars.size),
            "flag_alpha_fe": np.zeros(stars.size, dtype=np.int64),
            "snr_c3_iraf": snr_c3,
        },
    )
    giants = rng.choice(np.flatnonzero(np.isin(kind, ["red_giant", "clump"])), n // 4, replace=False)
    giants = np.concatenate([giants, giants[:15]])
    teff = truth["teff"][giants] + rng.normal(0, 40, giants.size)
    numax = 3090 * 10 ** (truth["logg"][giants] - 4.44) / np.sqrt(teff / 5777) * rng.normal(1, 0.03, giants.size)
    copy_in(
        connection,
        "survey.k2gap_star",
        {
            "file_id": np.full(giants.size, files["k2gap"]),
            "row_number": np.arange(1, giants.size + 1),
            "epic": np.arange(giants.size) + 211_000_000,
            "gaia_source": source_id[giants],
            "teff": teff,
            "numax": numax,
            "numax_err": 0.02 * numax,
        },
    )
    members, clusters, probabilities = [], [], []
    for i, name in enumerate(("NGC_2682", "NGC_2539", "NGC_2632", "Melotte_22", "Ruprecht_147", "Berkeley_1")):
        mean = -0.3 + 0.11 * i
        near = np.flatnonzero(ordinary & (np.abs(truth["feh"] - mean) < 0.03))
        chosen = rng.choice(near, min(near.size, (14, 9, 8, 6, 4, 2)[i]), replace=False)
        members += list(chosen) + list(chosen[:2])
        clusters += [name] * (chosen.size + min(2, chosen.size))
        probabilities += [0.9] * (chosen.size + min(2, chosen.size))
    copy_in(
        connection,
        "survey.cluster_member",
        {
            "file_id": np.full(len(members), files["clusters"]),
            "row_number": np.arange(1, len(members) + 1),
            "cluster": clusters,
            "gaia_release": ["dr3"] * len(members),
            "source_id": source_id[members],
            "proba": np.array(probabilities),
        },
    )
    copy_in(
        connection,
        "survey.mock_truth",
        {
            "file_id": np.full(n, files["mock_truth"]),
            "row_number": np.arange(1, n + 1),
            "source_id": source_id,
            "kind": kind.tolist(),
            "population": population.tolist(),
            **{name: truth[name] for name in LABELS},
        },
    )
