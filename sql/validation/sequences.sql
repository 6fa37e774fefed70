-- Purpose: RVS spectra of observed stars along sequences of Teff, log g, [M/H] and [alpha/M], and of regions outside
--     the limits, to be averaged (Sects. 4.1 and 5.3, Figs. 12 and 18)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; spectra_most (integer) spectra of each step
--     at most: the first ones by a remainder of source_id, which spreads them over the sky
-- Returns: sequence 1 to 4 for Teff, log g, [M/H], [alpha/M], 11 to 13 for hot stars, cool dwarfs, cool giants outside
--     the limits; step its place in the sequence; n_stars in the step, of which at most spectra_most follow; value of
--     the label that the sequence is of; flux little-endian float32 array on the release's pixel grid, NaN where there
--     is no value
WITH bound (
    sequence, step, inside, teff_low, teff_high, logg_low, logg_high, mh_low, mh_high, alpham_low, alpham_high
) AS (
    VALUES
        -- Turn-off stars of solar metallicity.
        (1, 1, true, 4800.0, 5000.0, 3.7, 4.7, -0.15, 0.15, -9.0, 9.0), (1, 2, true, 5050, 5250, 3.7, 4.7, -0.15, 0.15, -9, 9),
        (1, 3, true, 5300, 5500, 3.7, 4.7, -0.15, 0.15, -9, 9), (1, 4, true, 5600, 5800, 3.7, 4.7, -0.15, 0.15, -9, 9),
        (1, 5, true, 5900, 6100, 3.7, 4.7, -0.15, 0.15, -9, 9),
        -- Stars of solar metallicity near 5000 K, from the giants to the dwarfs.
        (2, 1, true, 4900, 5100, 2.6, 2.8, -0.15, 0.15, -9, 9), (2, 2, true, 4900, 5100, 3.0, 3.2, -0.15, 0.15, -9, 9),
        (2, 3, true, 4900, 5100, 3.4, 3.6, -0.15, 0.15, -9, 9), (2, 4, true, 4900, 5100, 3.8, 4.2, -0.15, 0.15, -9, 9),
        (2, 5, true, 4900, 5100, 4.3, 4.6, -0.15, 0.15, -9, 9),
        -- Cool giants.
        (3, 1, true, 4300, 4800, 1.0, 2.2, -1.6, -1.4, -9, 9), (3, 2, true, 4300, 4800, 1.0, 2.2, -1.1, -0.9, -9, 9),
        (3, 3, true, 4300, 4800, 1.0, 2.2, -0.8, -0.6, -9, 9), (3, 4, true, 4300, 4800, 1.0, 2.2, -0.4, -0.2, -9, 9),
        (3, 5, true, 4300, 4800, 1.0, 2.2, -0.1, 0.1, -9, 9),
        -- Cool dwarfs of one [M/H], which [alpha/M] would follow otherwise.
        (4, 1, true, 4600, 5400, 4.0, 4.7, -0.6, -0.2, 0.00, 0.06), (4, 2, true, 4600, 5400, 4.0, 4.7, -0.6, -0.2, 0.06, 0.12),
        (4, 3, true, 4600, 5400, 4.0, 4.7, -0.6, -0.2, 0.12, 0.18), (4, 4, true, 4600, 5400, 4.0, 4.7, -0.6, -0.2, 0.18, 0.28),
        -- Outside the limits, by [M/H].
        (11, 1, false, 6500, 1e5, -9, 99, -9, -1, -9, 9), (11, 2, false, 6500, 1e5, -9, 99, -1, -0.5, -9, 9),
        (11, 3, false, 6500, 1e5, -9, 99, -0.5, 0, -9, 9), (11, 4, false, 6500, 1e5, -9, 99, 0, 9, -9, 9),
        (12, 1, false, 4000, 5000, 4.5, 99, -9, -1, -9, 9), (12, 2, false, 4000, 5000, 4.5, 99, -1, -0.5, -9, 9),
        (12, 3, false, 4000, 5000, 4.5, 99, -0.5, 0, -9, 9), (12, 4, false, 4000, 5000, 4.5, 99, 0, 9, -9, 9),
        (13, 1, false, 2000, 4800, -2, 2, -9, -1, -9, 9), (13, 2, false, 2000, 4800, -2, 2, -1, -0.5, -9, 9),
        (13, 3, false, 2000, 4800, -2, 2, -0.5, 0, -9, 9), (13, 4, false, 2000, 4800, -2, 2, 0, 9, -9, 9)
), chosen AS (
    SELECT star.source_id, star.release, bound.sequence, bound.step,
           CASE bound.sequence WHEN 1 THEN star.teff WHEN 2 THEN star.logg WHEN 4 THEN star.alpham ELSE star.mh END AS value,
           count(*) OVER by_step AS n_stars,
           row_number() OVER (by_step ORDER BY star.source_id % 1000003, star.source_id) AS place
    FROM production.labelled_star star
    JOIN bound
      ON star.teff >= bound.teff_low AND star.teff < bound.teff_high
     AND star.logg >= bound.logg_low AND star.logg < bound.logg_high
     AND star.mh >= bound.mh_low AND star.mh < bound.mh_high
     AND star.alpham >= bound.alpham_low AND star.alpham < bound.alpham_high
     AND (star.flag_bits = 0) = bound.inside
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
    WINDOW by_step AS (PARTITION BY bound.sequence, bound.step)
)
SELECT chosen.sequence, chosen.step, CAST(chosen.n_stars AS integer) AS n_stars, chosen.value, spectrum.flux
FROM chosen
JOIN survey.rvs_spectrum spectrum ON spectrum.release = chosen.release AND spectrum.source_id = chosen.source_id
WHERE chosen.place <= :spectra_most
ORDER BY chosen.sequence, chosen.step, chosen.place
