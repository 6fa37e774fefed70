-- Purpose: The most memory that a stage of any earlier run of a profile took.
-- Parameters: profile (text) name of the profile.
-- Returns: peak_mb; name of the stage; run_id.
SELECT stage.peak_mb, stage.name, stage.run_id
FROM production.stage
JOIN production.run ON run.run_id = stage.run_id
WHERE run.profile ->> 'name' = :'profile' AND stage.peak_mb IS NOT NULL AND stage.status = 'complete'
ORDER BY stage.peak_mb DESC
LIMIT 1;
