-- Purpose: the validation results of two runs side by side
-- Parameters: run_id (bigint) run; other_run_id (bigint) run that it is compared with
-- Returns: comparison, subset, label what was compared; here, there whether each of the runs has this row; n, bias,
--     dispersion, robust_dispersion, status, message as the run was found; *_other as the other run was
SELECT comparison, subset, label, this.run_id IS NOT NULL AS here, other.run_id IS NOT NULL AS there,
       this.n, this.bias, this.dispersion, this.robust_dispersion, this.status, this.message,
       other.n AS n_other, other.bias AS bias_other, other.dispersion AS dispersion_other,
       other.robust_dispersion AS robust_dispersion_other, other.status AS status_other, other.message AS message_other
FROM (SELECT * FROM production.validation_result WHERE run_id = :run_id) AS this
FULL JOIN (SELECT * FROM production.validation_result WHERE run_id = :other_run_id) AS other USING (comparison, subset, label)
ORDER BY comparison, subset, label
