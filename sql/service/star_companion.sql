-- Purpose: The training star whose spectrum is most similar to a star's, found without t-SNE.
-- Parameters: run_id (bigint); source_id (bigint) star.
-- Returns: nearest source_id of that training star; distance (normalised flux); threshold beyond which a star lies
--          outside; quantile share of training stars whose own distance is smaller; is_outside.
SELECT star.nearest, star.distance, companion.threshold, star.quantile, star.outside AS is_outside
FROM production.training_distance AS star
JOIN production.companion AS companion ON companion.run_id = star.run_id
WHERE star.run_id = :run_id AND star.source_id = :source_id;
