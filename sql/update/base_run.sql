-- Purpose: The run that new spectra are added to: the last one of these settings whose catalogue was published, whether
--     or not newer survey files have superseded it since
-- Parameters: key (text) of profile and version
-- Returns: run_id
SELECT run.run_id
FROM production.run
WHERE run.key = :'key'
  AND EXISTS (
      SELECT FROM production.stage
      WHERE stage.run_id = run.run_id AND stage.name = 'publish' AND stage.status = 'complete'
  )
ORDER BY run.run_id DESC
LIMIT 1
