-- Purpose: what made a run's catalogue: profile, ensemble and the limits of flag_boundary
-- Parameters: run_id (bigint) run
-- Returns: run_id; release key of the survey rows; version of rvscat; started_at; profile all settings; labelled,
--     validated whether it has labels and results; ensemble_id, ensemble_key, n_members, n_training, settings of the ensemble that
--     predicted them, null before; limits lower and upper limit of each digit, with the rule that made them
SELECT run.run_id, run.release, run.version, run.started_at, run.profile,
       EXISTS (SELECT FROM production.label WHERE label.run_id = run.run_id) AS labelled,
       EXISTS (SELECT FROM production.validation_result AS result WHERE result.run_id = run.run_id) AS validated,
       ensemble.ensemble_id, ensemble.key AS ensemble_key, ensemble.n_members, ensemble.n_training, ensemble.settings,
       (SELECT jsonb_object_agg(quantity, jsonb_build_object('lower', lower, 'upper', upper, 'rule', rule, 'quantile', quantile))
        FROM production.boundary_limit AS limits
        WHERE limits.run_id = run.run_id) AS limits
FROM production.run
LEFT JOIN production.ensemble
    ON ensemble.ensemble_id = (SELECT label.ensemble_id FROM production.label WHERE label.run_id = run.run_id LIMIT 1)
WHERE run.run_id = :run_id
