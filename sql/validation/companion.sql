-- Purpose: where the t-SNE digit of flag_boundary and its companion, the distance to the nearest training spectrum, disagree
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: subset observed stars, or a part of them by S/N or CNN label, with the verdicts: like by both, unlike by t-SNE
--     alone, unlike by distance alone, unlike by both; label always tsne; n stars of the part; bias always null; dispersion
--     always null; robust_dispersion always null; stars with these verdicts; fraction their share; part and verdict
WITH star AS (
    -- Kinds of stars first: there are few of them.
    SELECT star.flag_bits & 128 <> 0 AS by_map, companion.outside AS by_distance,
           width_bucket(gaia.rvs_spec_sig_to_noise, CAST(ARRAY[25, 60] AS real[])) AS snr_range,
           star.teff < 4000 AS cool, star.teff > 6500 AS hot, star.mh < -1 AS poor, count(*) AS n
    FROM production.labelled_star star
    JOIN production.training_distance companion USING (run_id, source_id)
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
      AND star.flag_bits IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6
), verdict AS (
    SELECT part.number, part.name, verdict.number AS verdict_number, verdict.name AS verdict,
           CAST(sum(n) AS bigint) AS total,
           CAST(COALESCE(sum(n) FILTER (WHERE by_map = verdict.map AND by_distance = verdict.distance), 0) AS bigint) AS found
    FROM star
    CROSS JOIN LATERAL (VALUES
        (1, 'observed', TRUE),
        (2, 'S/N below 25', star.snr_range = 0),
        (3, 'S/N 25 to 60', star.snr_range = 1),
        (4, 'S/N above 60', star.snr_range = 2),
        (5, 'Teff below 4000 K', star.cool),
        (6, 'Teff above 6500 K', star.hot),
        (7, '[M/H] below -1', star.poor)
    ) AS part (number, name, holds)
    CROSS JOIN (VALUES
        (1, 'like by both', FALSE, FALSE), (2, 'unlike by t-SNE alone', TRUE, FALSE),
        (3, 'unlike by distance alone', FALSE, TRUE), (4, 'unlike by both', TRUE, TRUE)
    ) AS verdict (number, name, map, distance)
    WHERE part.holds
    GROUP BY part.number, part.name, verdict.number, verdict.name
)
SELECT name || ', ' || verdict AS subset, 'tsne' AS label, total AS n, CAST(NULL AS double precision) AS bias,
       CAST(NULL AS double precision) AS dispersion, CAST(NULL AS double precision) AS robust_dispersion,
       found AS stars, CAST(found AS double precision) / total AS fraction, name AS part, verdict
FROM verdict
ORDER BY number, verdict_number
