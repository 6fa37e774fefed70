-- Purpose: positions in one t-SNE map of the RVS spectra (Sect. 5.1, Figs. 17 and A.1)
-- Parameters: run_id (bigint) run; perplexity (integer) which of the maps
-- Returns: x, y position; training whether a training star; like whether the spectrum is training-like in this map
SELECT map.x, map.y, star.role = 'training' AS training, map."like" AS alike
FROM production.likeness map
JOIN production.sample_star star USING (run_id, source_id)
WHERE map.run_id = :run_id
  AND map.perplexity = :perplexity
