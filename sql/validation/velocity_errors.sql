-- Purpose: radial-velocity errors of the labelled stars that APOGEE has, for the figure (Appendix C, Fig. C.1)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: source_id star; velocity_error its radial_velocity_error, km/s
SELECT star.source_id, gaia.radial_velocity_error AS velocity_error
FROM production.sample_star star
JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
WHERE star.run_id = :run_id
  AND star.release = :'release'
  AND star.apogee_row IS NOT NULL
  AND gaia.radial_velocity_error > 0
ORDER BY star.source_id
