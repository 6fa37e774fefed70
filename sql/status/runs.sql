-- Purpose: All runs with their sizes, newest first.
-- Parameters: none.
-- Returns: run_id; base_run_id run that it extends by new stars, or null; profile name; release; status; started_at; finished_at; wall_s seconds of its stages; n_labels stars
--     with labels; version of the catalogue that it was published as, or null; accepted_failed checks that had failed
--     and were accepted; accepted_reason why, or null.
SELECT run.run_id, run.base_run_id, run.profile ->> 'name' AS profile, run.release, run.status, run.started_at, run.finished_at,
       (SELECT sum(wall_s) FROM production.stage WHERE stage.run_id = run.run_id AND status = 'complete') AS wall_s,
       (SELECT count(*) FROM production.label WHERE label.run_id = run.run_id) AS n_labels,
       published.version, published.n_fail AS accepted_failed, published.accepted_reason
FROM production.run
LEFT JOIN LATERAL (
    SELECT version, CASE WHEN accepted_reason IS NOT NULL THEN n_fail END AS n_fail, accepted_reason
    FROM production.publication
    WHERE publication.run_id = run.run_id
      -- A version that was retracted is no catalogue any more.
      AND NOT EXISTS (SELECT FROM production.stage WHERE stage.run_id = publication.run_id
                      AND stage.name = 'retract-' || publication.version)
    ORDER BY version DESC
    LIMIT 1
) AS published ON true
ORDER BY run.run_id DESC;
