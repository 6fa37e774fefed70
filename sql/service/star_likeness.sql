-- Purpose: A star's distance to the nearest training star in each t-SNE map of a run.
-- Parameters: run_id (bigint); source_id (bigint) star.
-- Returns: perplexity; distance; threshold that it may not exceed; is_like; is_placed whether the star took no part in the
--          fit of the map.
SELECT m.perplexity, l.distance,
       CASE WHEN m.mode = 'placed' AND l.placed_distance IS NOT NULL THEN m.placed_threshold ELSE m.threshold END AS threshold,
       l."like" AS is_like, m.mode = 'placed' AND l.placed_distance IS NOT NULL AS is_placed
FROM production.likeness_map m
JOIN production.likeness l ON l.run_id = m.run_id AND l.perplexity = m.perplexity
WHERE m.run_id = :run_id AND l.source_id = :source_id
ORDER BY m.perplexity;
