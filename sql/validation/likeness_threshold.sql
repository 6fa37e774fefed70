-- Purpose: effect of the threshold of training-likeness: share of observed stars that would be unlike for other quantiles of
--     the training stars' own distances, and on a synthetic sky completeness and purity
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; training_share_min (real) a kind with a smaller
--     share of the training sample counts as absent from it
-- Returns: method tsne (all maps together), placed (the same for placed stars) or pca (distance between spectra); quantile;
--     n observed stars; flagged share of them that is unlike; completeness share of stars of absent kinds that is
--     unlike; purity share of unlike stars that is of absent kinds; both null on a real sky
WITH sample AS (
    SELECT star.source_id, star.role, truth.kind
    FROM production.sample_star star
    LEFT JOIN survey.true_star truth ON truth.release = :'release' AND truth.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.role IN ('training', 'observed')
), kind AS (
    SELECT kind, count(*) FILTER (WHERE role = 'training')
                 < :training_share_min * sum(count(*) FILTER (WHERE role = 'training')) OVER () AS absent
    FROM sample
    WHERE kind IS NOT NULL
    GROUP BY kind
), observed AS (
    SELECT sample.source_id, kind.absent
    FROM sample
    LEFT JOIN kind ON kind.kind = sample.kind
    WHERE sample.role = 'observed'
), level AS (
    SELECT CAST(ARRAY[0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.997, 0.998,
                      0.999, 1] AS double precision[]) AS quantiles
), map_threshold AS (
    SELECT star.perplexity,
           percentile_cont((SELECT quantiles FROM level)) WITHIN GROUP (ORDER BY star.distance) AS joint,
           percentile_cont((SELECT quantiles FROM level)) WITHIN GROUP (ORDER BY star.placed_distance) AS placed
    FROM production.likeness star
    JOIN sample ON sample.source_id = star.source_id AND sample.role = 'training'
    WHERE star.run_id = :run_id
    GROUP BY star.perplexity
), companion_threshold AS (
    SELECT percentile_cont((SELECT quantiles FROM level)) WITHIN GROUP (ORDER BY star.distance) AS thresholds
    FROM production.training_distance star
    JOIN sample ON sample.source_id = star.source_id AND sample.role = 'training'
    WHERE star.run_id = :run_id
), mapped AS (
    -- Number of thresholds that a star exceeds, in the map where it exceeds most. Distances are single precision: a star at
    -- the threshold itself is like.
    SELECT observed.source_id, observed.absent,
           max(width_bucket(CAST(star.distance AS double precision) / 1.000001, map_threshold.joint)) AS joint,
           max(width_bucket(CAST(star.placed_distance AS double precision) / 1.000001, map_threshold.placed)) AS placed
    FROM production.likeness star
    JOIN map_threshold ON map_threshold.perplexity = star.perplexity
    JOIN observed ON observed.source_id = star.source_id
    WHERE star.run_id = :run_id
    GROUP BY observed.source_id, observed.absent
), counted (method, exceeded, absent, n) AS (
    SELECT 'tsne', joint, absent, count(*) FROM mapped GROUP BY joint, absent
    UNION ALL
    SELECT 'placed', placed, absent, count(*) FROM mapped WHERE placed IS NOT NULL GROUP BY placed, absent
    UNION ALL
    SELECT 'pca', width_bucket(CAST(star.distance AS double precision) / 1.000001, companion_threshold.thresholds),
           observed.absent, count(*)
    FROM production.training_distance star
    CROSS JOIN companion_threshold
    JOIN observed ON observed.source_id = star.source_id
    WHERE star.run_id = :run_id
    GROUP BY 2, 3
)
SELECT counted.method, CAST(quantile.quantile AS double precision) AS quantile, CAST(sum(n) AS bigint) AS n,
       CAST(COALESCE(sum(n) FILTER (WHERE exceeded >= quantile.number), 0) / sum(n) AS double precision) AS flagged,
       CAST(sum(n) FILTER (WHERE exceeded >= quantile.number AND absent) / NULLIF(sum(n) FILTER (WHERE absent), 0)
            AS double precision) AS completeness,
       CAST(sum(n) FILTER (WHERE exceeded >= quantile.number AND absent)
            / NULLIF(sum(n) FILTER (WHERE exceeded >= quantile.number AND absent IS NOT NULL), 0) AS double precision) AS purity
FROM counted
CROSS JOIN LATERAL (
    SELECT u.quantile, u.number FROM level CROSS JOIN LATERAL unnest(level.quantiles) WITH ORDINALITY AS u (quantile, number)
) AS quantile
GROUP BY counted.method, quantile.quantile, quantile.number
ORDER BY counted.method, quantile.quantile
