-- Purpose: Stars of a run's samples that lack an input of the network, counted by what they lack first
-- Parameters: run_id (bigint) run that selected the samples; release (text) key of the survey rows;
--             roles (text) samples as an array, for instance {training,observed};
--             added (boolean) only stars that have come with the run, not those of its base;
--             flux_bytes (int), bp_bytes (int), rp_bytes (int) lengths of the arrays in the release
-- Returns: reason; n stars; examples up to three source_ids
SELECT lacking.reason, count(*) AS n, (array_agg(lacking.source_id ORDER BY lacking.source_id))[1:3] AS examples
FROM (
    SELECT s.source_id,
           CASE
               WHEN r.source_id IS NULL THEN 'no RVS spectrum'
               WHEN octet_length(r.flux) <> :flux_bytes THEN 'an RVS spectrum on another pixel grid'
               WHEN x.bp_coefficients IS NULL OR x.rp_coefficients IS NULL THEN 'no BP or no RP coefficients'
               WHEN octet_length(x.bp_coefficients) <> :bp_bytes OR octet_length(x.rp_coefficients) <> :rp_bytes
                   THEN 'another number of BP or RP coefficients'
               WHEN g.phot_g_mean_mag IS NULL OR g.phot_bp_mean_mag IS NULL OR g.phot_rp_mean_mag IS NULL
                   THEN 'no G, BP or RP magnitude'
               WHEN g.parallax IS NULL THEN 'no parallax'
           END AS reason
    FROM production.sample_star AS s
    LEFT JOIN survey.rvs_spectrum AS r ON r.release = :'release' AND r.source_id = s.source_id
    LEFT JOIN survey.xp_coefficients AS x ON x.release = :'release' AND x.source_id = s.source_id
    LEFT JOIN survey.gaia_source AS g ON g.release = :'release' AND g.source_id = s.source_id
    WHERE s.run_id = :run_id AND s.role = ANY (CAST(:'roles' AS text[])) AND s.added >= CAST(:added AS boolean)
) AS lacking
WHERE lacking.reason IS NOT NULL
GROUP BY lacking.reason
ORDER BY lacking.reason
