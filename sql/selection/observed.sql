-- Purpose: Every star with an RVS mean spectrum that a run has not judged yet, and the first cut of Sects. 2.1 to 2.3
--          that rejects it. A condition
--          states what is kept; IS NOT TRUE rejects a missing value too. A star without a row in
--          astrophysical_parameters is kept: in the archive's left join its class is null as well.
-- Parameters: release (text) key of the survey rows; run_id (bigint) run whose stars in production.sample_star are left
--             out, 0 for none;
--             phot_mean_flux_over_error_min (real) lower limit of the mean flux over its error in G, BP and RP;
--             bp_bytes, rp_bytes (integer) length of a full array of coefficients, 8 bytes each.
-- Returns: source_id; cut name of the first cut that rejects the star, null when it passes them all.
WITH spectrum AS MATERIALIZED (
    SELECT s.release, s.source_id
    FROM survey.rvs_spectrum AS s
    WHERE s.release = :'release'
      AND NOT EXISTS (
          SELECT FROM production.sample_star AS judged
          WHERE judged.run_id = :run_id AND judged.source_id = s.source_id
      )
), xp AS MATERIALIZED (
    -- Two bytes of each array instead of the arrays themselves go through the join below.
    SELECT
        source_id,
        octet_length(bp_coefficients) = :bp_bytes AND octet_length(rp_coefficients) = :rp_bytes AS complete,
        CASE WHEN octet_length(bp_coefficients) >= 8 THEN get_byte(bp_coefficients, 7) END AS bp_high_byte,
        CASE WHEN octet_length(rp_coefficients) >= 8 THEN get_byte(rp_coefficients, 7) END AS rp_high_byte
    FROM survey.xp_coefficients
    JOIN spectrum USING (release, source_id)
    WHERE release = :'release'
)
SELECT
    s.source_id,
    CASE
        WHEN g.source_id IS NULL THEN 'gaia_source'
        -- Sect. 2.1. The flag is NOT_AVAILABLE for stars that were not examined: they are kept.
        WHEN (g.in_galaxy_candidates = false) IS NOT TRUE THEN 'in_galaxy_candidates'
        WHEN (g.in_qso_candidates = false) IS NOT TRUE THEN 'in_qso_candidates'
        WHEN g.phot_variable_flag = 'VARIABLE' THEN 'phot_variable_flag'
        WHEN (g.non_single_star = 0) IS NOT TRUE THEN 'non_single_star'
        -- Sect. 2.2. In PostgreSQL NaN is above every number: an upper bound keeps it out.
        WHEN (g.phot_g_mean_flux_over_error > :phot_mean_flux_over_error_min::real
              AND g.phot_g_mean_flux_over_error < 'Infinity') IS NOT TRUE THEN 'phot_g_mean_flux_over_error'
        WHEN (g.phot_bp_mean_flux_over_error > :phot_mean_flux_over_error_min::real
              AND g.phot_bp_mean_flux_over_error < 'Infinity') IS NOT TRUE THEN 'phot_bp_mean_flux_over_error'
        WHEN (g.phot_rp_mean_flux_over_error > :phot_mean_flux_over_error_min::real
              AND g.phot_rp_mean_flux_over_error < 'Infinity') IS NOT TRUE THEN 'phot_rp_mean_flux_over_error'
        WHEN (abs(g.phot_g_mean_mag) < 'Infinity' AND abs(g.phot_bp_mean_mag) < 'Infinity'
              AND abs(g.phot_rp_mean_mag) < 'Infinity') IS NOT TRUE THEN 'magnitudes'
        WHEN (g.parallax >= 0 AND g.parallax < 'Infinity') IS NOT TRUE THEN 'parallax'
        -- Sect. 2.3. The flag is the archive's word, the coefficients are what was read.
        WHEN (g.has_xp_continuous = true) IS NOT TRUE THEN 'has_xp_continuous'
        WHEN xp.complete IS NOT TRUE THEN 'xp_coefficients'
        -- Sect. 3.1 divides by the first coefficient: it must be positive. The highest byte of a little-endian
        -- float64 lies between 1 and 126 for numbers from 1e-303 to 1e303 and for nothing else.
        WHEN (xp.bp_high_byte BETWEEN 1 AND 126
              AND xp.rp_high_byte BETWEEN 1 AND 126) IS NOT TRUE THEN 'xp_first_coefficient'
        WHEN p.classlabel_espels IS NOT NULL THEN 'classlabel_espels'
    END AS cut
FROM spectrum s
LEFT JOIN survey.gaia_source g ON g.release = s.release AND g.source_id = s.source_id
LEFT JOIN xp ON xp.source_id = s.source_id
LEFT JOIN survey.astrophysical_parameters p ON p.release = s.release AND p.source_id = s.source_id;
