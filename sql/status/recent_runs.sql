-- Purpose: The newest runs.
-- Parameters: number (integer) of runs at most.
-- Returns: run_id; key; profile; status; started_at; base_run_id of the run it extends, or null;
--     version it was published as, or null.
SELECT run.run_id, run.key, run.profile, run.status, run.started_at, run.base_run_id,
       -- A version that was retracted is no catalogue any more.
       (SELECT max(version) FROM production.publication
        WHERE publication.run_id = run.run_id
          AND NOT EXISTS (SELECT FROM production.stage WHERE stage.run_id = publication.run_id
                          AND stage.name = 'retract-' || publication.version)) AS version
FROM production.run
ORDER BY run.run_id DESC
LIMIT :number;
