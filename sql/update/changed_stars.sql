-- Purpose: Labelled stars of a run whose survey rows have gone or been replaced since, and those that the run itself has
--     taken over so: their labels and flags are those of the old rows
-- Parameters: base_run_id (bigint) run
-- Returns: source_id; product whose row is another one now
SELECT star.source_id, part.product
FROM production.sample_star AS star
LEFT JOIN survey.rvs_spectrum AS spectrum ON spectrum.release = star.release AND spectrum.source_id = star.source_id
LEFT JOIN survey.gaia_source AS gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
LEFT JOIN survey.xp_coefficients AS xp ON xp.release = star.release AND xp.source_id = star.source_id
LEFT JOIN survey.astrophysical_parameters AS parameters
    ON parameters.release = star.release AND parameters.source_id = star.source_id
LEFT JOIN survey.apogee_star AS apogee
    ON apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
CROSS JOIN LATERAL (VALUES
    ('rvs_mean_spectrum', spectrum.file_id, true),
    ('gaia_source', gaia.file_id, true),
    ('xp_continuous_mean_spectrum', xp.file_id, true),
    ('astrophysical_parameters', parameters.file_id, false),
    ('apogee', apogee.file_id, star.apogee_file_id IS NOT NULL)
) AS part (product, file_id, needed)
WHERE star.run_id = :base_run_id
  AND star.role <> 'rejected'
  AND CASE WHEN part.file_id IS NULL THEN part.needed
           ELSE NOT EXISTS (
               SELECT FROM production.run_file AS known
               WHERE known.run_id = :base_run_id AND known.file_id = part.file_id
           )
      END
UNION
SELECT source_id, product
FROM production.changed_star
WHERE run_id = :base_run_id
