-- Purpose: Stars of a run by what became of them in frozen maps
-- Parameters: run_id (bigint) run
-- Returns: placed new stars with a place; kept stars of the maps, which keep theirs; strangers stars without a place;
--   example one of these; new_training training stars of the run that are not in the maps
SELECT count(*) FILTER (WHERE star.placed_distance IS NOT NULL) AS placed,
       count(*) FILTER (WHERE star.source_id IS NOT NULL AND star.placed_distance IS NULL) AS kept,
       count(*) FILTER (WHERE star.source_id IS NULL) AS strangers,
       min(companion.source_id) FILTER (WHERE star.source_id IS NULL) AS example,
       count(*) FILTER (
           WHERE sample.role = 'training' AND (star.source_id IS NULL OR star.placed_distance IS NOT NULL)
       ) AS new_training
FROM production.training_distance AS companion
JOIN production.sample_star AS sample ON sample.run_id = companion.run_id AND sample.source_id = companion.source_id
-- A star stands in all maps or in none.
LEFT JOIN production.likeness AS star
    ON star.run_id = companion.run_id AND star.source_id = companion.source_id
    AND star.perplexity = (SELECT min(map.perplexity) FROM production.likeness_map AS map WHERE map.run_id = :run_id)
WHERE companion.run_id = :run_id
