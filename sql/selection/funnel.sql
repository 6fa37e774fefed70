-- Purpose: The funnel of a run: stars that each cut of Sect. 2 took out and left, in order.
-- Parameters: run_id (bigint).
-- Returns: sample observed or training; step; cut; rule what a star must fulfil; n_removed; n_left.
SELECT sample, step, cut, rule, n_removed, n_left
FROM production.sample_funnel
WHERE run_id = :run_id
ORDER BY sample, step;
