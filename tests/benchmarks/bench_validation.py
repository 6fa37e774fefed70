"""How long the queries of sql/validation take on the server, at the size of the whole catalogue.

    .venv/bin/python tests/benchmarks/bench_validation.py [--stars 886080] [--only closure,precision] [--no-truth]

A database of its own is filled with labelled stars, a share of rejected ones, and surveys in the proportions of the
real ones (APOGEE DR17, GALAH DR3, APO-K2, open clusters, GSP-Spec, GSP-Phot, StarHorse, the published catalogue), all
made by the server, with repeated ids. Seconds are those of the server, rows written out included; sending them is not.
"""

import argparse
import time
from typing import Any

import psycopg
from measuring import database
from psycopg.rows import scalar_row

from catalog.database.ledger import Run, open_run
from catalog.database.queries import Query, load, names
from catalog.profiles import load_profile
from catalog.validation.checks import load_checks
from catalog.validation.comparisons import query_parameters

CATALOGUE = 886_080
LABELS = ("teff", "logg", "mh", "alpham", "feh")
NOISE = {"teff": 50.0, "logg": 0.08, "mh": 0.055, "alpham": 0.025, "feh": 0.055}

# Rows for the whole catalogue; fewer stars have as many of each in proportion.
ROWS = {
    "stars": CATALOGUE,
    "training": 44_780,
    "rejected": 113_565,
    "apogee": 733_901,
    "apogee_observed": 15_000,
    "galah": 588_571,
    "galah_matched": 60_000,
    "k2gap": 7_672,
    "clusters": 2_000,
}
PRODUCTS = (
    "gaia_source", "astrophysical_parameters", "apogee", "galah", "k2gap", "clusters", "starhorse", "mock_truth",
    "rvs_cnn",
)  # fmt: skip

# One row a star; label l of the catalogue is true_l plus noise.
STARS = """
CREATE TEMPORARY TABLE star AS
SELECT i, i * 7000000000000 + 17 AS source_id,
       CASE WHEN i > :stars THEN 'rejected' WHEN hash % :stars < :training THEN 'training' ELSE 'observed' END AS role,
       hash % :stars < :training + :apogee_observed AND i <= :stars AS has_apogee,
       (ARRAY['red_giant', 'clump', 'dwarf', 'subgiant', 'hot'])[1 + CAST(floor(4.2 * random()) AS integer)] AS kind,
       3600 + 3400 * random() AS true_teff, 0.5 + 4.3 * random() AS true_logg, 0.5 - 2 * random() ^ 2 AS true_mh,
       0.3 * random() AS true_alpham, 0.5 - 2 * random() ^ 2 AS true_feh,
       15 + exp(random_normal(2.9, 0.9)) AS snr, 9 + 5 * random() AS g, 0.1 + 3 * random() AS distance,
       CASE WHEN random() < 0.77 THEN 0 ELSE 1 << CAST(floor(8 * random()) AS integer) END AS bits
FROM (
    -- Neighbours on the sky have nothing in common.
    SELECT i, CAST(i AS bigint) * 2654435761 % 4294967291 AS hash FROM generate_series(1, :stars + :rejected) AS i
) AS number;
CREATE INDEX ON star (i);
ANALYZE star
"""

SURVEYS = """
INSERT INTO survey.gaia_source (release, source_id, ra, "dec", parallax, phot_g_mean_mag, phot_bp_mean_mag,
    phot_rp_mean_mag, bp_rp, rvs_spec_sig_to_noise,
    radial_velocity, radial_velocity_error, vbroad, ruwe, pmra, pmdec, l, b, has_rvs, has_xp_continuous, file_id)
SELECT :'release', source_id, 359.9 * random(), 178 * random() - 89, 1 / distance, g,
       g + 0.4 + random(), g - 0.4 - random(), 0.8 + (5900 - true_teff) / 2200,
       snr, random_normal(0, 50), random(), 10 * random(), 1, random_normal(0, 9), random_normal(0, 9), 359 * random(),
       178 * random() - 89, TRUE, TRUE, :gaia_source
FROM star;
INSERT INTO survey.astrophysical_parameters (release, source_id, teff_gspphot, logg_gspphot, mh_gspphot,
    distance_gspphot, teff_gspspec, logg_gspspec, mh_gspspec, alphafe_gspspec, flags_gspspec, file_id)
SELECT :'release', source_id, true_teff + random_normal(60, 140), true_logg + random_normal(0, 0.2),
       CASE WHEN random() < 0.9 THEN true_mh + random_normal(-0.2, 0.2) END, distance,
       true_teff + random_normal(20, 130), true_logg - 0.3 + random_normal(0, 0.17), true_mh + random_normal(0, 0.12),
       true_alpham + random_normal(0, 0.08),
       CASE WHEN random() < 0.5 THEN repeat('0', 41) ELSE '0000001' || repeat('0', 34) END, :astrophysical_parameters
FROM star;
INSERT INTO survey.apogee_star (file_id, row_number, apogee_id, gaiaedr3_source_id, snr, teff, logg, m_h, alpha_m, fe_h,
    aspcapflag)
SELECT :apogee, star.i, '2M' || star.i, star.source_id, 150, true_teff + random_normal(0, 18),
       true_logg + random_normal(0, 0.03), true_mh + random_normal(0, 0.02), true_alpham + random_normal(0, 0.01),
       true_feh + random_normal(0, 0.02),
       CASE WHEN random() < 0.02 THEN 1 << 23 ELSE 0 END
FROM star WHERE has_apogee;
INSERT INTO survey.apogee_star (file_id, row_number, apogee_id, snr, teff, aspcapflag)
SELECT :apogee, 10000000 + i, '2M' || i, 90, 5000, 0
FROM generate_series(1, :apogee_rows - :training - :apogee_observed) AS i;
INSERT INTO survey.galah_star (file_id, row_number, sobject_id, dr3_source_id, flag_sp, flag_guess, teff, logg, fe_h,
    flag_fe_h, alpha_fe, flag_alpha_fe, snr_c3_iraf)
SELECT :galah, spectrum.i, spectrum.i, COALESCE(star.source_id, spectrum.i * 7000000000000 + 18),
       CASE WHEN random() < 0.2 THEN 16 ELSE 0 END, 0,
       COALESCE(true_teff, 5000) + random_normal(20, 70), COALESCE(true_logg, 4) + random_normal(0, 0.06),
       COALESCE(true_feh, 0) + random_normal(0, 0.05), 0, COALESCE(true_alpham, 0) + random_normal(0, 0.04), 0,
       100 * random()
FROM generate_series(1, :galah_rows) AS spectrum (i)
-- One star in twenty was observed twice.
LEFT JOIN star ON spectrum.i <= :galah_matched
     AND star.i = 1 + CAST(spectrum.i AS bigint) % (:galah_matched * 19 / 20 + 1) * :stars / :galah_matched;
INSERT INTO survey.k2gap_star (file_id, row_number, epic, gaia_source, teff, numax, numax_err)
SELECT :k2gap, number.i, 211000000 + number.i, CASE WHEN number.i % 10 <> 0 THEN star.source_id END, true_teff,
       3090 * 10 ^ (true_logg - 4.44) / sqrt(true_teff / 5777) * random_normal(1, 0.03), 1
FROM generate_series(1, :k2gap_rows) AS number (i)
JOIN star ON star.i = 1 + CAST(number.i AS bigint) * 7919 % :stars;
INSERT INTO production.k2gap_match (file_id, row_number, release, source_id, method, nearest_source_id)
SELECT :k2gap, k2.row_number, :'release', star.source_id, 'position', star.source_id
FROM survey.k2gap_star AS k2 JOIN star ON star.i = 1 + CAST(k2.row_number AS bigint) * 7919 % :stars
WHERE k2.gaia_source IS NULL;
INSERT INTO survey.cluster_member (file_id, row_number, cluster, gaia_release, source_id, proba)
SELECT :clusters, number.i, 'NGC_' || number.i % 60, 'dr3', star.source_id, 0.5 + 0.5 * random()
FROM generate_series(1, :cluster_rows) AS number (i)
JOIN star ON star.i = 1 + CAST(number.i AS bigint) * 104729 % :stars;
INSERT INTO survey.starhorse_distance (file_id, row_number, source_id, dist16, dist50, dist84, av50,
    starhorse_outputflag)
SELECT :starhorse, i, source_id, 0.9 * distance, distance, 1.1 * distance, 0.3, '0000' FROM star WHERE i % 20 <> 0;
INSERT INTO survey.rvs_cnn_star (file_id, row_number, source_id, {columns}, flag_boundary)
SELECT :rvs_cnn, i, source_id, {values}, reverse(CAST(CAST(bits AS bit(8)) AS text)) FROM star WHERE role <> 'rejected'
"""

TRUTH = """
INSERT INTO survey.mock_truth (file_id, row_number, source_id, kind, population, teff, logg, mh, alpham, feh, distance)
SELECT :mock_truth, i, source_id, kind, 'thin', true_teff, true_logg, true_mh, true_alpham, true_feh, distance FROM star
"""

PRODUCTION = """
INSERT INTO production.sample_star (run_id, release, source_id, role, cut, apogee_file_id, apogee_row)
SELECT :run_id, :'release', source_id, role, CASE role WHEN 'rejected' THEN 'parallax' END,
       CASE WHEN has_apogee THEN :apogee END, CASE WHEN has_apogee THEN i END
FROM star;
INSERT INTO production.ensemble (key, run_id, release, path, sha256, status, n_members, n_training, settings)
VALUES (repeat('0', 64), :run_id, :'release', '/', repeat('0', 64), 'complete', 4, :training, '{{}}');
INSERT INTO production.label (run_id, release, source_id, ensemble_id, n_members, {columns}, {calibrated})
SELECT :run_id, :'release', source_id, (SELECT max(ensemble_id) FROM production.ensemble), 4, {values}, {oof}
FROM star WHERE role <> 'rejected';
INSERT INTO production.boundary (run_id, release, source_id, flag_boundary, flag_bits)
SELECT :run_id, :'release', source_id, reverse(CAST(CAST(bits AS bit(8)) AS text)), bits
FROM star WHERE role <> 'rejected';
INSERT INTO production.training_residual (ensemble_id, source_id, n_unseen, {residuals})
SELECT (SELECT max(ensemble_id) FROM production.ensemble), source_id, 2, {unseen}
FROM star WHERE role = 'training' AND i % 8 <> 0;
INSERT INTO production.boundary_limit (run_id, quantity, lower, upper, rule, quantile, n_training)
SELECT :run_id, quantity, -1000, 7000, 'quantile', 0.01, :training
FROM unnest(ARRAY['teff', 'logg', 'mh', 'alpham', 'feh', 'g', 'parallax']) AS quantity;
INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, kl, n_training, n_observed, settings,
    placed_threshold)
SELECT :run_id, perplexity, 0.9, 0.99, 1, :training, :stars, '{{}}', 1
FROM unnest(ARRAY[30, 50, 75, 100]) AS perplexity;
INSERT INTO production.likeness (run_id, perplexity, source_id, x, y, distance, "like", placed_distance)
SELECT :run_id, perplexity, source_id, random(), random(), random(), random() < 0.95, 1.02 * random()
FROM unnest(ARRAY[30, 50, 75, 100]) AS perplexity, star WHERE role <> 'rejected';
INSERT INTO production.companion VALUES (:run_id, 7, 0.99, 0.9, :training);
INSERT INTO production.training_distance (run_id, source_id, nearest, distance, quantile, outside)
SELECT :run_id, source_id, 17, random(), random(), random() < 0.05 FROM star WHERE role <> 'rejected'
"""


def columns(prefixes: tuple[str, ...] = ("", "e", "sigma_"), suffix: str = "") -> str:
    """Return a list of columns of all labels."""
    return ", ".join(f"{prefix}{label}{suffix}" for label in LABELS for prefix in prefixes)


def values(label: str) -> str:
    """Return expressions for a label with its e* and sigma_*."""
    noise = NOISE[label]
    return f"true_{label} + random_normal(0, {noise}), {noise} * (0.3 + 0.6 * random()), {noise} * (1 + random())"


def fill(connection: psycopg.Connection, run: Run, stars: int, truth: bool) -> None:
    """Fill every table that the queries of sql/validation read, except studies and spectra."""
    share = stars / CATALOGUE
    parameters: dict[str, Any] = {name: round(rows * share) for name, rows in ROWS.items()}
    for name in ("apogee", "galah", "k2gap"):
        parameters[f"{name}_rows"] = parameters.pop(name)
    parameters |= {"cluster_rows": parameters.pop("clusters"), "run_id": run.run_id, "release": run.release}
    with connection.cursor(row_factory=scalar_row) as cursor:
        for product in PRODUCTS:
            cursor.execute(
                "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, "
                "n_quarantined, status) VALUES (%s, %s, %s, '/', repeat('0', 64), 1, %s, 0, 'complete') "
                "RETURNING file_id",
                (run.release, product, product, stars),
            )
            parameters[product] = cursor.fetchone()
    lists = {
        "columns": columns(),
        "values": ", ".join(map(values, LABELS)),
        "calibrated": columns(("sigma_",), "_oof"),
        "oof": ", ".join(str(NOISE[label]) for label in LABELS),
        "residuals": ", ".join(f"{label}, residual_{label}, sigma_{label}_oof" for label in LABELS),
        "unseen": ", ".join(f"true_{label}, random_normal(0, {NOISE[label]}), {NOISE[label]}" for label in LABELS),
    }
    connection.execute("SELECT setseed(0.5)")
    if connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,):
        # Rows that are right by construction need no look at the tables that they refer to.
        connection.execute("SET LOCAL session_replication_role = replica")
    for text in (STARS, SURVEYS, TRUTH if truth else "", PRODUCTION):
        for statement in filter(str.strip, text.format(**lists).split(";\n")):
            # Longest names first: one may begin with another.
            for name in sorted(parameters, key=len, reverse=True):
                statement = statement.replace(f":'{name}'", f"'{parameters[name]}'").replace(
                    f":{name}", str(parameters[name])
                )
            connection.execute(statement)
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE)")
    connection.autocommit = False


def server_time(connection: psycopg.Connection, query: Query, parameters: dict[str, Any]) -> tuple[int, float]:
    """Return the rows of a query, and the seconds that planning and running it take the server."""
    with psycopg.ClientCursor(connection, row_factory=scalar_row) as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, SERIALIZE BINARY, FORMAT JSON) {query.statement}",
            {name: parameters[name] for name in query.parameters},
        )
        answer = cursor.fetchone()
    assert answer is not None
    (told,) = answer
    return round(told["Plan"]["Actual Rows"]), (told["Planning Time"] + told["Execution Time"]) / 1000


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=CATALOGUE)
    parser.add_argument("--only", default="", help="names of queries, with commas between")
    parser.add_argument("--no-truth", action="store_true", help="a real sky has no injected labels")
    arguments = parser.parse_args()
    with database() as settings, psycopg.connect(settings.database_url or "") as connection:
        started = time.perf_counter()
        run = open_run(connection, load_profile("paper"))
        fill(connection, run, arguments.stars, not arguments.no_truth)
        print(f"{arguments.stars:,} labelled stars, filled in {time.perf_counter() - started:.0f} s")
        # Another run of number 0 is the published catalogue.
        others = {"perplexity": 50, "source_ids": [17], "other_run_id": 0, "sigma": 3.0, "most": 20, "spectra_most": 40}
        parameters = {**query_parameters(run, load_checks()), **others}
        measured = []
        chosen = [f"validation/{name}" for name in arguments.only.split(",") if name] or names("validation")
        for query in map(load, chosen):
            if unknown := set(query.parameters) - set(parameters):
                print(f"{query.name}: no value for {', '.join(sorted(unknown))}, left out")
                continue
            connection.execute("SET LOCAL work_mem = '128MB'")
            measured.append((*server_time(connection, query, parameters), query.name))
            connection.rollback()
        print(f"{'query':40s}{'rows':>10s}{'seconds':>10s}")
        for rows, seconds, name in sorted(measured, key=lambda each: -each[1]):
            print(f"{name:40s}{rows:10,d}{seconds:10.2f}")


if __name__ == "__main__":
    main()
