-- Purpose: would stars get the same t-SNE digit if they were placed in the frozen maps, as new ones are, instead of taking
--     part in the fit? Each star is placed by its neighbours among all others
-- Parameters: run_id (bigint) run
-- Returns: subset observed; label tsne, with the map in subset; n observed stars; bias always null; dispersion always null;
--     robust_dispersion always null; unlike_joint and unlike_placed stars that are unlike in each mode; fraction stars with
--     the same verdict in both; expected the same if verdicts were thrown at random in these proportions; perplexity of
--     the map, null for all maps together
WITH star AS (
    SELECT likeness.perplexity, likeness.source_id, NOT likeness."like" AS joint,
           likeness.placed_distance > map.placed_threshold AS placed
    FROM production.likeness
    JOIN production.likeness_map map USING (run_id, perplexity)
    JOIN production.sample_star sample USING (run_id, source_id)
    WHERE likeness.run_id = :run_id
      AND sample.role = 'observed'
      AND map.mode = 'joint'
      AND map.placed_threshold IS NOT NULL
      AND likeness.placed_distance IS NOT NULL
), verdict AS (
    SELECT CAST(NULL AS smallint) AS perplexity, bool_or(joint) AS joint, bool_or(placed) AS placed
    FROM star
    GROUP BY source_id
    UNION ALL
    SELECT perplexity, joint, placed FROM star
), counted AS (
    SELECT perplexity, count(*) AS n, count(*) FILTER (WHERE joint) AS unlike_joint,
           count(*) FILTER (WHERE placed) AS unlike_placed, count(*) FILTER (WHERE joint = placed) AS same
    FROM verdict
    GROUP BY perplexity
)
SELECT CASE WHEN perplexity IS NULL THEN 'observed' ELSE 'observed, perplexity ' || perplexity END AS subset, 'tsne' AS label,
       n, CAST(NULL AS double precision) AS bias, CAST(NULL AS double precision) AS dispersion,
       CAST(NULL AS double precision) AS robust_dispersion, unlike_joint, unlike_placed,
       CAST(same AS double precision) / n AS fraction,
       (CAST(unlike_joint AS double precision) * unlike_placed + CAST(n - unlike_joint AS double precision) * (n - unlike_placed))
           / (CAST(n AS double precision) * n) AS expected,
       perplexity
FROM counted
ORDER BY perplexity NULLS FIRST
