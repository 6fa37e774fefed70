-- Purpose: How many stars of a run carry each flag, by sample
-- Parameters: run_id (bigint) run
-- Returns: role training or observed; flag_bits bitmask of the flag; n stars
SELECT sample.role, boundary.flag_bits, count(*) AS n
FROM production.boundary AS boundary
JOIN production.sample_star AS sample ON sample.run_id = boundary.run_id AND sample.source_id = boundary.source_id
WHERE boundary.run_id = :run_id
GROUP BY sample.role, boundary.flag_bits
ORDER BY sample.role, boundary.flag_bits
