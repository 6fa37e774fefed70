-- Purpose: A star's distance to the nearest training star in each t-SNE map of a run.
-- Parameters: run_id (bigint); source_id (bigint) star.
-- Returns: perplexity; distance; threshold that it may not exceed; is_like.
SELECT m.perplexity, l.distance, m.threshold, l."like" AS is_like
FROM production.likeness_map m
JOIN production.likeness l ON l.run_id = m.run_id AND l.perplexity = m.perplexity
WHERE m.run_id = :run_id AND l.source_id = :source_id
ORDER BY m.perplexity;
