-- Purpose: Inputs of the network for the stars of a run's samples that have all of them: spectrum, XP coefficients,
--          magnitudes and parallax (paper Sects. 2.1 to 2.3), in the order of source_id
-- Parameters: run_id (bigint) run that selected the samples; release (text) key of the survey rows;
--             roles (text) samples as an array, for instance {training,observed};
--             added (boolean) only stars that have come with the run, not those of its base;
--             after (bigint), upto (bigint) source_ids above the one and up to the other;
--             flux_bytes (int), bp_bytes (int), rp_bytes (int) lengths of the arrays in the release
-- Returns: source_id; flux float32 array; bp_coefficients, rp_coefficients float64 arrays;
--          phot_g_mean_mag, phot_bp_mean_mag, phot_rp_mean_mag mag; parallax mas
SELECT s.source_id, r.flux, x.bp_coefficients, x.rp_coefficients,
       g.phot_g_mean_mag, g.phot_bp_mean_mag, g.phot_rp_mean_mag, g.parallax
FROM production.sample_star AS s
JOIN survey.rvs_spectrum AS r ON r.release = :'release' AND r.source_id = s.source_id
JOIN survey.xp_coefficients AS x ON x.release = :'release' AND x.source_id = s.source_id
JOIN survey.gaia_source AS g ON g.release = :'release' AND g.source_id = s.source_id
WHERE s.run_id = :run_id
  AND s.role = ANY (CAST(:'roles' AS text[]))
  AND s.added >= CAST(:added AS boolean)
  -- The same range for each table: the planner does not carry it through a join, and partitions are ranges.
  AND s.source_id > :after AND s.source_id <= :upto
  AND r.source_id > :after AND r.source_id <= :upto
  AND x.source_id > :after AND x.source_id <= :upto
  AND g.source_id > :after AND g.source_id <= :upto
  AND octet_length(r.flux) = :flux_bytes
  AND octet_length(x.bp_coefficients) = :bp_bytes
  AND octet_length(x.rp_coefficients) = :rp_bytes
  AND g.phot_g_mean_mag IS NOT NULL AND g.phot_bp_mean_mag IS NOT NULL AND g.phot_rp_mean_mag IS NOT NULL
  AND g.parallax IS NOT NULL
ORDER BY s.source_id
