"""Reference values of each star as other surveys give them, each rule written once.

Revision: 0010_references, 2026-11-23.
"""

from alembic import context, op

revision = "0010_references"
down_revision = "0009_ensembles"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE VIEW production.apogee_reference AS
SELECT file.release, apogee.file_id, apogee.row_number, apogee.teff, apogee.logg, apogee.m_h AS mh,
       apogee.alpha_m AS alpham, apogee.fe_h AS feh, COALESCE(apogee.aspcapflag, 0) AS aspcapflag
FROM survey.apogee_star AS apogee
JOIN production.ingest_file AS file ON file.file_id = apogee.file_id AND file.status = 'complete';
COMMENT ON VIEW production.apogee_reference IS
    'APOGEE labels of complete files; (file_id, row_number) is what production.sample_star chose among the rows of a star';

-- Calibration of Recio-Blanco et al. (2023), Tables 3 and 4: polynomials in the uncalibrated log g.
CREATE VIEW production.gspspec_reference AS
SELECT ap.release, ap.source_id, left(ap.flags_gspspec, 13) = '0000000000000' AS good,
       ap.teff_gspspec AS teff,
       x + 0.4496 - 0.0036 * x - 0.0224 * x ^ 2 AS logg,
       ap.mh_gspspec + 0.2740 - 0.1373 * x - 0.0050 * x ^ 2 + 0.0048 * x ^ 3 AS mh,
       ap.alphafe_gspspec + CASE
           WHEN substr(ap.flags_gspspec, 8, 1) = '0' AND ap.logg_gspspec BETWEEN CAST(1.01 AS real) AND CAST(4.85 AS real)
           THEN -0.5809 + 0.7018 * x - 0.2402 * x ^ 2 + 0.0239 * x ^ 3
           WHEN substr(ap.flags_gspspec, 8, 1) <= '1' AND ap.logg_gspspec BETWEEN CAST(0.84 AS real) AND CAST(4.44 AS real)
           THEN -0.2838 + 0.3713 * x - 0.1236 * x ^ 2 + 0.0106 * x ^ 3 + 0.0002 * x ^ 4
       END AS alpham
FROM survey.astrophysical_parameters AS ap
CROSS JOIN LATERAL (SELECT CAST(ap.logg_gspspec AS double precision)) AS uncalibrated (x);
COMMENT ON VIEW production.gspspec_reference IS 'Calibrated labels of GSP-Spec (Sect. 3.3); its rows leave with their file';
COMMENT ON COLUMN production.gspspec_reference.good IS 'The first 13 digits of flags_gspspec are zero';
COMMENT ON COLUMN production.gspspec_reference.alpham IS 'Null where the extrapolation digit or log g forbid both calibrations';

CREATE VIEW production.galah_spectrum AS
SELECT file.release, galah.dr3_source_id AS source_id, galah.teff, galah.logg, galah.fe_h AS feh, galah.alpha_fe AS alpham,
       galah.snr_c3_iraf AS snr, galah.file_id, galah.row_number,
       galah.flag_sp = 0 AND galah.flag_guess = 0 AND galah.flag_fe_h = 0 AND galah.flag_alpha_fe = 0 AS good,
       galah.flag_sp = 0 AND galah.flag_fe_h = 0 AND galah.fe_h <> 'NaN' AS good_iron
FROM survey.galah_star AS galah
JOIN production.ingest_file AS file ON file.file_id = galah.file_id AND file.status = 'complete'
WHERE galah.dr3_source_id IS NOT NULL;
COMMENT ON VIEW production.galah_spectrum IS 'GALAH DR3 labels of complete files with the verdict of their flags; a star may have several';
COMMENT ON COLUMN production.galah_spectrum.good IS 'No flag of Sect. 6.3 is set';
COMMENT ON COLUMN production.galah_spectrum.good_iron IS 'Good for [Fe/H] (Sect. 6.4)';

CREATE VIEW production.galah_reference AS
SELECT DISTINCT ON (release, source_id) release, source_id, teff, logg, feh, alpham, snr
FROM production.galah_spectrum
WHERE good
ORDER BY release, source_id, snr DESC NULLS LAST, file_id, row_number;
COMMENT ON VIEW production.galah_reference IS 'The best good GALAH spectrum of each star: a repeated id multiplies no row';

CREATE VIEW production.galah_iron AS
SELECT DISTINCT ON (release, source_id) release, source_id, feh, snr
FROM production.galah_spectrum
WHERE good_iron
ORDER BY release, source_id, snr DESC NULLS LAST, file_id, row_number;
COMMENT ON VIEW production.galah_iron IS 'The best GALAH [Fe/H] of each star, whatever its other labels are worth';

CREATE VIEW production.seismic_reference AS
SELECT DISTINCT ON (file.release, found.source_id) file.release, found.source_id, k2.numax, k2.numax_err, k2.teff
FROM survey.k2gap_star AS k2
JOIN production.ingest_file AS file ON file.file_id = k2.file_id AND file.status = 'complete'
LEFT JOIN production.k2gap_match AS match ON match.file_id = k2.file_id AND match.row_number = k2.row_number
-- The catalogue's Gaia id, else the one that was found by position.
CROSS JOIN LATERAL (SELECT COALESCE(k2.gaia_source, match.source_id)) AS found (source_id)
WHERE found.source_id IS NOT NULL
  AND k2.numax > 0 AND k2.numax < 'Infinity'
  AND k2.teff > 0 AND k2.teff < 'Infinity'
ORDER BY file.release, found.source_id, k2.numax_err / k2.numax NULLS LAST, k2.file_id, k2.row_number;
COMMENT ON VIEW production.seismic_reference IS 'numax (microhertz) and Teff (K) of each K2 star, once: those of the smallest relative error';

CREATE FUNCTION production.seismic_logg(
    numax double precision, teff double precision,
    logg_sun double precision, numax_sun double precision, teff_sun double precision
) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN logg_sun + log(numax / numax_sun) + 0.5 * log(teff / teff_sun);
COMMENT ON FUNCTION production.seismic_logg IS 'Eq. (3) of Valentini et al. (2019) for positive numax (microhertz) and Teff (K)';

CREATE VIEW production.published_reference AS
SELECT DISTINCT ON (file.release, published.source_id) file.release, published.source_id,
       published.teff, published.eteff, published.sigma_teff, published.logg, published.elogg, published.sigma_logg,
       published.mh, published.emh, published.sigma_mh, published.alpham, published.ealpham, published.sigma_alpham,
       published.feh, published.efeh, published.sigma_feh, published.flag_boundary
FROM survey.rvs_cnn_star AS published
JOIN production.ingest_file AS file ON file.file_id = published.file_id AND file.status = 'complete'
ORDER BY file.release, published.source_id, published.file_id, published.row_number;
COMMENT ON VIEW production.published_reference IS 'The published catalogue (Table 2 of Guiglion et al. 2024), each star once';

CREATE FUNCTION production.moments(differences double precision[])
RETURNS TABLE (n bigint, bias double precision, dispersion double precision, robust_dispersion double precision)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $moments$
    SELECT count(*), avg(value), stddev_samp(value),
           (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
            - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2
    FROM unnest(differences) AS value
    WHERE value <> 'NaN'
    HAVING count(*) > 0
$moments$;
COMMENT ON FUNCTION production.moments IS
    'Number, mean, standard deviation and half the width from percentile 15.87 to 84.13 of values; nulls and NaN are left out, no row without values';
"""

# The same rows as before, without a sort of every digit of every star, and without counting the maps for every star.
FLAG = """
CREATE OR REPLACE VIEW production.likeness_star AS
SELECT star.run_id, star.source_id, count(*) AS n_maps, count(*) FILTER (WHERE NOT star."like") AS n_unlike,
       max(star.distance / NULLIF(CASE WHEN star.placed_distance IS NULL THEN map.threshold ELSE map.allowed END, 0)) AS ratio,
       count(*) = max(map.n_maps) AND bool_and(star."like") AS "like"
FROM production.likeness AS star
JOIN (
    -- A star that was placed is held to what placed training stars reach.
    SELECT run_id, perplexity, threshold, CASE mode WHEN 'placed' THEN placed_threshold ELSE threshold END AS allowed,
           count(*) OVER (PARTITION BY run_id) AS n_maps
    FROM production.likeness_map
) AS map ON map.run_id = star.run_id AND map.perplexity = star.perplexity
GROUP BY star.run_id, star.source_id;

CREATE OR REPLACE VIEW production.boundary_computed AS
SELECT digits.run_id, digits.release, digits.source_id,
       reverse(CAST(CAST(digits.bits AS bit(8)) AS text)) AS flag_boundary,
       CAST(digits.bits AS smallint) AS flag_bits
FROM (
    -- A missing value counts as outside.
    SELECT label.run_id, label.release, label.source_id,
           CASE WHEN label.teff BETWEEN teff.lower AND teff.upper THEN 0 ELSE 1 END
           + CASE WHEN label.logg BETWEEN logg.lower AND logg.upper THEN 0 ELSE 2 END
           + CASE WHEN label.mh BETWEEN mh.lower AND mh.upper THEN 0 ELSE 4 END
           + CASE WHEN label.alpham BETWEEN alpham.lower AND alpham.upper THEN 0 ELSE 8 END
           + CASE WHEN label.feh BETWEEN feh.lower AND feh.upper THEN 0 ELSE 16 END
           + CASE WHEN gaia.phot_g_mean_mag BETWEEN g.lower AND g.upper THEN 0 ELSE 32 END
           + CASE WHEN gaia.parallax BETWEEN parallax.lower AND parallax.upper THEN 0 ELSE 64 END
           -- Training stars are the reference: like by definition. A star that stands in no map is not.
           + CASE WHEN sample.role = 'training' OR star."like" THEN 0 ELSE 128 END AS bits
    FROM production.label AS label
    JOIN production.sample_star AS sample ON sample.run_id = label.run_id AND sample.source_id = label.source_id
    LEFT JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
    LEFT JOIN production.likeness_star AS star ON star.run_id = label.run_id AND star.source_id = label.source_id
    JOIN production.boundary_limit AS teff ON teff.run_id = label.run_id AND teff.quantity = 'teff'
    JOIN production.boundary_limit AS logg ON logg.run_id = label.run_id AND logg.quantity = 'logg'
    JOIN production.boundary_limit AS mh ON mh.run_id = label.run_id AND mh.quantity = 'mh'
    JOIN production.boundary_limit AS alpham ON alpham.run_id = label.run_id AND alpham.quantity = 'alpham'
    JOIN production.boundary_limit AS feh ON feh.run_id = label.run_id AND feh.quantity = 'feh'
    JOIN production.boundary_limit AS g ON g.run_id = label.run_id AND g.quantity = 'g'
    JOIN production.boundary_limit AS parallax ON parallax.run_id = label.run_id AND parallax.quantity = 'parallax'
) AS digits;
"""

TRUE_STAR = """
CREATE OR REPLACE VIEW survey.true_star AS
SELECT DISTINCT ON (file.release, truth.source_id) file.release, truth.source_id, truth.kind, truth.population,
       truth.teff, truth.logg, truth.mh, truth.alpham, truth.feh, truth.distance, truth.r_gal, truth.z_gal
FROM survey.mock_truth AS truth
JOIN production.ingest_file AS file ON file.file_id = truth.file_id AND file.status = 'complete'
ORDER BY file.release, truth.source_id, truth.file_id, truth.row_number;
COMMENT ON VIEW survey.true_star IS 'What was injected of each star of a synthetic sky, once; empty for real surveys';
"""

VIEWS = (
    "published_reference", "seismic_reference", "galah_iron", "galah_reference", "galah_spectrum", "gspspec_reference",
    "apogee_reference",
)  # fmt: skip


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (UPGRADE, TRUE_STAR, FLAG):
        bind.exec_driver_sql(statements)


def downgrade() -> None:
    bind = op.get_bind()
    for view in VIEWS:
        bind.exec_driver_sql(f"DROP VIEW production.{view}")
    for function in ("moments", "seismic_logg"):
        bind.exec_driver_sql(f"DROP FUNCTION production.{function}")
    # The others as the step below made them: a view cannot lose columns.
    bind.exec_driver_sql("DROP VIEW production.boundary_computed, production.likeness_star, production.boundary_digit")
    bind.exec_driver_sql("DROP VIEW survey.true_star")
    bind.exec_driver_sql(context.script.get_revision("0008_likeness").module.VIEWS)
