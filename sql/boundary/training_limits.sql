-- Purpose: Effective range of the training sample: the five APOGEE labels, G and parallax (paper Table 1)
-- Parameters: run_id (bigint) run that selected the sample; release (text) key of the survey rows; quantile (float) fraction left out at each end, 0 for the full range
-- Returns: quantity name; lower smallest value inside; upper largest value inside; n training stars that have the quantity
SELECT sample.quantity,
       percentile_cont(:quantile) WITHIN GROUP (ORDER BY sample.value) AS lower,
       percentile_cont(1 - :quantile) WITHIN GROUP (ORDER BY sample.value) AS upper,
       count(sample.value) AS n
FROM (
    SELECT quantity.name AS quantity, quantity.value
    FROM production.sample_star AS star
    JOIN survey.gaia_source AS gaia ON gaia.release = :'release' AND gaia.source_id = star.source_id
    JOIN survey.apogee_star AS apogee ON apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    JOIN production.ingest_file AS file ON file.file_id = apogee.file_id
        AND file.release = :'release' AND file.status = 'complete'
    CROSS JOIN LATERAL (VALUES
        ('teff', CAST(apogee.teff AS double precision)),
        ('logg', apogee.logg),
        ('mh', apogee.m_h),
        ('alpham', apogee.alpha_m),
        ('feh', apogee.fe_h),
        ('g', gaia.phot_g_mean_mag),
        ('parallax', gaia.parallax)
    ) AS quantity (name, value)
    WHERE star.run_id = :run_id AND star.role = 'training'
) AS sample
GROUP BY sample.quantity
