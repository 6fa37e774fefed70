-- Purpose: Labelled stars of a run without a distance to the training sample, counted by ranges of source_id: which ranges
--   are left to place in frozen maps, in whatever order the others were done
-- Parameters: run_id (bigint) run; uptos (bigint) last source_id of each range as an array, ascending
-- Returns: range number, 0 is the first; n stars. Ranges without such stars are missing
SELECT width_bucket(label.source_id - 1, CAST(:'uptos' AS bigint[])) AS range, count(*) AS n
FROM production.label AS label
WHERE label.run_id = :run_id
  AND NOT EXISTS (
      SELECT FROM production.training_distance AS star
      WHERE star.run_id = label.run_id AND star.source_id = label.source_id
  )
GROUP BY 1
ORDER BY 1
