-- Purpose: Every ensemble of the registry, with the runs that it labelled and the versions of the catalogue made of them
-- Parameters: none
-- Returns: ensemble_id; key SHA-256 of training sample, settings and grid; run_id run whose training sample it was
--          trained on, null when no run here has it; profile of that run; release key of the survey rows; path folder; sha256 of its
--          checksums.txt; status; n_members; n_training stars; settings, metrics JSON; created_at;
--          runs ids of the runs whose labels are its own; versions published of them; current version, if it is of it
SELECT e.ensemble_id, e.key, e.run_id, r.profile ->> 'name' AS profile, e.release, e.path, e.sha256, e.status,
       e.n_members, e.n_training, e.settings, e.metrics, e.created_at,
       coalesce(used.runs, '{}') AS runs, coalesce(made.versions, '{}') AS versions, made.current
FROM production.ensemble AS e
LEFT JOIN production.run AS r ON r.run_id = e.run_id
LEFT JOIN (
    -- A run has the labels of one ensemble only: one row tells which.
    SELECT one.ensemble_id, array_agg(labelled.run_id ORDER BY labelled.run_id) AS runs
    FROM production.run AS labelled
    CROSS JOIN LATERAL (
        SELECT l.ensemble_id FROM production.label AS l WHERE l.run_id = labelled.run_id LIMIT 1
    ) AS one
    GROUP BY one.ensemble_id
) AS used ON used.ensemble_id = e.ensemble_id
LEFT JOIN LATERAL (
    SELECT array_agg(p.version ORDER BY p.version) AS versions, max(p.version) FILTER (WHERE p.current) AS current
    FROM production.publication AS p
    WHERE p.run_id = ANY (used.runs)
) AS made ON true
ORDER BY e.ensemble_id
