-- Purpose: Stars that a run rejected and of which rows have arrived since: they are judged anew, as they have no labels
--     that could be mixed
-- Parameters: base_run_id (bigint) run
-- Returns: source_id
SELECT star.source_id
FROM production.sample_star AS star
LEFT JOIN survey.rvs_spectrum AS spectrum ON spectrum.release = star.release AND spectrum.source_id = star.source_id
LEFT JOIN survey.gaia_source AS gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
LEFT JOIN survey.xp_coefficients AS xp ON xp.release = star.release AND xp.source_id = star.source_id
LEFT JOIN survey.astrophysical_parameters AS parameters
    ON parameters.release = star.release AND parameters.source_id = star.source_id
WHERE star.run_id = :base_run_id
  AND star.role = 'rejected'
  AND EXISTS (
      SELECT FROM (VALUES (spectrum.file_id), (gaia.file_id), (xp.file_id), (parameters.file_id)) AS part (file_id)
      WHERE part.file_id IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM production.run_file AS known
            WHERE known.run_id = :base_run_id AND known.file_id = part.file_id
        )
  )
