-- Purpose: How many stars of a run lie inside all limits, by sample.
-- Parameters: run_id (bigint).
-- Returns: role training or observed; n stars; n_inside stars with flag_boundary 00000000; n_like stars whose spectrum
--     is like those of the training sample.
SELECT role, count(*) AS n,
       count(*) FILTER (WHERE flag_bits = 0) AS n_inside,
       count(*) FILTER (WHERE flag_bits & 128 = 0) AS n_like
FROM production.labelled_star
WHERE run_id = :run_id
GROUP BY role
ORDER BY role DESC;
