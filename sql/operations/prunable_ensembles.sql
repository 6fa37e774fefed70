-- Purpose: All ensembles, with the runs that have labels by them.
-- Parameters: none.
-- Returns: ensemble_id; key; path; run_id that trained it, or null; used_by runs with labels by it (null for none).
SELECT ensemble.ensemble_id, ensemble.key, ensemble.path, ensemble.run_id, used.runs AS used_by
FROM production.ensemble
LEFT JOIN (
    SELECT ensemble_id, array_agg(DISTINCT run_id) AS runs FROM production.label GROUP BY ensemble_id
) AS used ON used.ensemble_id = ensemble.ensemble_id
ORDER BY ensemble.ensemble_id;
