-- Purpose: kind of each star of a synthetic sky
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: source_id; kind as it was injected
SELECT truth.source_id, truth.kind
FROM production.sample_star star
JOIN survey.true_star truth ON truth.release = :'release' AND truth.source_id = star.source_id
WHERE star.run_id = :run_id
  AND star.role IN ('training', 'observed')
