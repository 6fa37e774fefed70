-- Purpose: All runs with what decides whether they can go.
-- Parameters: none.
-- Returns: run_id; key; profile name; release; status; age_days since it was last worked on; versions published from it
--     (null for none); base_run_id; ensembles it used or trained (null for none); maps keys that it used or made (null for none); n_rows of labels.
SELECT run.run_id, run.key, run.profile ->> 'name' AS profile, run.release, run.status,
       CAST(extract(epoch FROM clock_timestamp() - greatest(run.started_at, run.finished_at, worked.last)) / 86400
            AS double precision) AS age_days,
       (SELECT array_agg(version ORDER BY version) FROM production.publication WHERE publication.run_id = run.run_id) AS versions,
       run.base_run_id,
       (SELECT array_agg(DISTINCT ensemble_id) FROM production.label WHERE label.run_id = run.run_id) AS ensembles,
       (SELECT array_agg(DISTINCT reference) FROM production.likeness_map
        WHERE likeness_map.run_id = run.run_id AND reference IS NOT NULL) AS maps
FROM production.run
LEFT JOIN LATERAL (
    SELECT max(COALESCE(finished_at, started_at)) AS last FROM production.stage WHERE stage.run_id = run.run_id
) AS worked ON true
ORDER BY run.run_id DESC;
