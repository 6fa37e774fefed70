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
), absent AS (
    SELECT kind, count(*) FILTER (WHERE role = 'training')
                 < :training_share_min * sum(count(*) FILTER (WHERE role = 'training')) OVER () AS absent
    FROM sample
    WHERE kind IS NOT NULL
    GROUP BY kind
), distance (method, space, source_id, distance) AS (
    SELECT 'tsne', perplexity, source_id, distance FROM production.likeness WHERE run_id = :run_id
    UNION ALL
    SELECT 'placed', perplexity, source_id, placed_distance
    FROM production.likeness WHERE run_id = :run_id AND placed_distance IS NOT NULL
    UNION ALL
    SELECT 'pca', 0, source_id, distance FROM production.training_distance WHERE run_id = :run_id
), level AS (
    SELECT ARRAY[0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.997, 0.998,
                 0.999, 1] AS quantiles
), threshold AS (
    -- Distances are single precision: a star at the threshold itself is like.
    SELECT distance.method, distance.space,
           (SELECT array_agg(t * 1.000001 ORDER BY i) FROM unnest(
               percentile_cont((SELECT CAST(quantiles AS double precision[]) FROM level)) WITHIN GROUP (ORDER BY distance.distance)
           ) WITH ORDINALITY AS u (t, i)) AS thresholds
    FROM distance
    JOIN sample ON sample.source_id = distance.source_id AND sample.role = 'training'
    GROUP BY distance.method, distance.space
), star AS (
    -- Number of thresholds that a star exceeds, in the map where it exceeds most.
    SELECT distance.method, sample.source_id, sample.kind,
           max(width_bucket(CAST(distance.distance AS double precision), threshold.thresholds)) AS exceeded
    FROM distance
    JOIN threshold ON threshold.method = distance.method AND threshold.space = distance.space
    JOIN sample ON sample.source_id = distance.source_id AND sample.role = 'observed'
    GROUP BY distance.method, sample.source_id, sample.kind
), counted AS (
    SELECT star.method, star.exceeded, absent.absent, count(*) AS n
    FROM star
    LEFT JOIN absent ON absent.kind = star.kind
    GROUP BY star.method, star.exceeded, absent.absent
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
