-- Purpose: Stars of a run's samples that have all inputs of the network and no labels yet, counted by ranges of source_id:
--          which ranges are left to label, in whatever order the others were done
-- Parameters: run_id (bigint) run that selected the samples; release (text) key of the survey rows;
--             roles (text) samples as an array, for instance {training,observed};
--             added (boolean) only stars that have come with the run, not those of its base;
--             flux_bytes (int), bp_bytes (int), rp_bytes (int) lengths of the arrays in the release;
--             uptos (bigint) last source_id of each range as an array, ascending
-- Returns: range number, 0 is the first; n stars. Ranges without such stars are missing
SELECT width_bucket(s.source_id - 1, CAST(:'uptos' AS bigint[])) AS range, count(*) AS n
FROM production.sample_star AS s
JOIN survey.rvs_spectrum AS r ON r.release = :'release' AND r.source_id = s.source_id
JOIN survey.xp_coefficients AS x ON x.release = :'release' AND x.source_id = s.source_id
JOIN survey.gaia_source AS g ON g.release = :'release' AND g.source_id = s.source_id
WHERE s.run_id = :run_id
  AND s.role = ANY (CAST(:'roles' AS text[]))
  AND s.added >= CAST(:added AS boolean)
  AND octet_length(r.flux) = :flux_bytes
  AND octet_length(x.bp_coefficients) = :bp_bytes
  AND octet_length(x.rp_coefficients) = :rp_bytes
  AND g.phot_g_mean_mag IS NOT NULL AND g.phot_bp_mean_mag IS NOT NULL AND g.phot_rp_mean_mag IS NOT NULL
  AND g.parallax IS NOT NULL
  AND NOT EXISTS (SELECT FROM production.label AS l WHERE l.run_id = s.run_id AND l.source_id = s.source_id)
GROUP BY 1
ORDER BY 1
