-- Purpose: what the paper tells of its samples beside their sizes: S/N, magnitudes, giants (Sects. 1, 2.1, 2.6 and 4.5;
--     Figs. 1, 3 and 4)
-- Parameters: run_id (bigint) run whose samples are selected; release (text) key of the survey rows
-- Returns: name what is counted; value share (per cent), magnitude, S/N or metallicity, null where there are no such stars
WITH star AS (
    SELECT sample.role, gaia.rvs_spec_sig_to_noise AS snr, gaia.phot_g_mean_mag AS g, apogee.logg, apogee.mh
    FROM production.sample_star AS sample
    JOIN survey.gaia_source AS gaia ON gaia.release = sample.release AND gaia.source_id = sample.source_id
    LEFT JOIN production.apogee_reference AS apogee
      ON sample.role = 'training'
     AND apogee.file_id = sample.apogee_file_id
     AND apogee.row_number = sample.apogee_row
    WHERE sample.run_id = :run_id
      AND sample.release = :'release'
), training AS (
    SELECT min(g) AS g_min, max(g) AS g_max, min(snr) AS snr_min, min(mh) AS mh_min, count(*) AS n,
           count(*) FILTER (WHERE logg < 3.5) AS giants
    FROM star
    WHERE role = 'training'
), counted AS (
    SELECT count(*) AS spectra, count(*) FILTER (WHERE snr BETWEEN 15 AND 25) AS low_snr,
           count(*) FILTER (WHERE role = 'observed') AS observed,
           count(*) FILTER (WHERE role = 'observed' AND snr BETWEEN 15 AND 25) AS observed_low_snr,
           count(*) FILTER (WHERE role = 'observed' AND g BETWEEN training.g_min AND training.g_max) AS observed_in_g,
           min(g) FILTER (WHERE role = 'observed') AS g_min,
           max(g) FILTER (WHERE role = 'observed') AS g_max,
           min(snr) FILTER (WHERE role <> 'rejected') AS snr_min
    FROM star
    CROSS JOIN training
)
SELECT name, CAST(value AS double precision) AS value
FROM counted
CROSS JOIN training
CROSS JOIN LATERAL (VALUES
    ('low_snr_share', 100.0 * low_snr / NULLIF(spectra, 0)),
    ('observed_low_snr_share', 100.0 * observed_low_snr / NULLIF(observed, 0)),
    ('snr_min', counted.snr_min),
    ('training_snr_min', training.snr_min),
    ('training_g_min', training.g_min),
    ('training_g_max', training.g_max),
    ('observed_g_min', counted.g_min),
    ('observed_g_max', counted.g_max),
    ('observed_g_share', 100.0 * observed_in_g / NULLIF(observed, 0)),
    ('giants_share', 100.0 * giants / NULLIF(n, 0)),
    ('training_mh_min', training.mh_min)
) AS told (name, value)
