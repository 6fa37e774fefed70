-- Purpose: The last published run of a profile's name, whatever its settings: what an update that finds no base of the
--     same settings is compared with
-- Parameters: name (text) of the profile
-- Returns: run_id; version of rvscat; profile as JSON
SELECT run.run_id, run.version, run.profile
FROM production.run
WHERE run.profile ->> 'name' = :'name'
  AND EXISTS (
      SELECT FROM production.stage
      WHERE stage.run_id = run.run_id AND stage.name = 'publish' AND stage.status = 'complete'
  )
ORDER BY run.run_id DESC
LIMIT 1
