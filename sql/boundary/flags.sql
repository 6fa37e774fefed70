-- Purpose: The eight digits of flag_boundary for every labelled star of a run (paper Sect. 5.2), computed anew: Teff,
--   log g, [M/H], [alpha/M], [Fe/H], G and parallax outside the limits in production.boundary_limit, spectrum unlike the
--   training sample's in any t-SNE map. The view production.boundary_computed holds the rule; production.boundary_digit
--   shows each digit with its value and limits
-- Parameters: run_id (bigint) run
-- Returns: release and source_id of the star; flag_boundary eight digits, 1 is outside or unlike; flag_bits the same as a bitmask, digit 1 in bit 0
SELECT release, source_id, flag_boundary, flag_bits
FROM production.boundary_computed
WHERE run_id = :run_id
ORDER BY source_id
