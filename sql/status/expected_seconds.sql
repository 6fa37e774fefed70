-- Purpose: How long each stage took in the last run of a profile that did it.
-- Parameters: profile (text) its name; run_id (bigint) run that does not count.
-- Returns: name of the stage; wall_s.
SELECT DISTINCT ON (stage.name) stage.name, stage.wall_s
FROM production.stage
JOIN production.run ON run.run_id = stage.run_id
WHERE run.profile ->> 'name' = :'profile' AND run.run_id <> :run_id AND stage.status = 'complete' AND stage.wall_s IS NOT NULL
  AND run.base_run_id IS NULL = (SELECT this.base_run_id IS NULL FROM production.run AS this WHERE this.run_id = :run_id)
ORDER BY stage.name, stage.stage_id DESC;
