-- Purpose: All runs with their sizes, newest first.
-- Parameters: none.
-- Returns: run_id; profile name; release; status; started_at; finished_at; wall_s seconds of its stages; n_labels stars
--     with labels; version of the catalogue that it was published as, or null.
SELECT run.run_id, run.profile ->> 'name' AS profile, run.release, run.status, run.started_at, run.finished_at,
       (SELECT sum(wall_s) FROM production.stage WHERE stage.run_id = run.run_id AND status = 'complete') AS wall_s,
       (SELECT count(*) FROM production.label WHERE label.run_id = run.run_id) AS n_labels,
       (SELECT max(version) FROM production.publication WHERE publication.run_id = run.run_id) AS version
FROM production.run
ORDER BY run.run_id DESC;
