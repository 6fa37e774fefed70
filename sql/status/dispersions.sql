-- Purpose: Dispersions of the labels against APOGEE and, on a synthetic sky, against the truth.
-- Parameters: run_id (bigint).
-- Returns: comparison; subset; label; n; bias; dispersion; robust_dispersion.
SELECT comparison, subset, label, n, bias, dispersion, robust_dispersion
FROM production.validation_result
WHERE run_id = :run_id
  AND comparison IN ('apogee', 'closure')
  AND subset IN ('training', 'observed', 'observed, 15 <= S/N <= 25', 'observed, S/N 15-25')
  AND n > 0;
