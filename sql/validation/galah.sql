-- Purpose: CNN minus GALAH DR3 for observed stars inside the limits, with the flags of Sect. 6.3 (Fig. 22)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; galah_snr_min (real) GALAH stars need a
--     larger snr_c3_iraf
-- Returns: subset stars compared; label column of the catalogue; n stars; bias mean of CNN - GALAH; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH pair AS (
    SELECT gaia.rvs_spec_sig_to_noise AS snr, galah.logg AS logg_galah, galah.feh AS feh_galah,
           star.teff - galah.teff AS teff, star.logg - galah.logg AS logg, star.alpham - galah.alpham AS alpham,
           star.feh - galah.feh AS feh
    FROM production.labelled_star star
    JOIN production.galah_reference galah ON galah.release = star.release AND galah.source_id = star.source_id
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
      AND star.flag_bits = 0
      AND galah.snr > :galah_snr_min
), difference AS (
    SELECT subset.number, subset.name AS subset, array_agg(teff) AS teff, array_agg(logg) AS logg,
           array_agg(alpham) AS alpham, array_agg(feh) AS feh
    FROM pair
    CROSS JOIN LATERAL (VALUES
        (1, '15 <= S/N <= 25', snr BETWEEN 15 AND 25),
        (2, '15 <= S/N <= 25, log g < 2.2', snr BETWEEN 15 AND 25 AND logg_galah < 2.2),
        (3, '15 <= S/N <= 25, [Fe/H] > -1', snr BETWEEN 15 AND 25 AND feh_galah > -1),
        (4, '15 <= S/N <= 25, [Fe/H] < -1', snr BETWEEN 15 AND 25 AND feh_galah < -1),
        (5, 'all S/N', TRUE)
    ) AS subset (number, name, member)
    WHERE subset.member
    GROUP BY subset.number, subset.name
)
SELECT subset, label.name AS label, found.n, found.bias, found.dispersion, found.robust_dispersion
FROM difference
CROSS JOIN LATERAL (VALUES (1, 'teff', teff), (2, 'logg', logg), (3, 'alpham', alpham), (4, 'feh', feh))
    AS label (number, name, differences)
CROSS JOIN LATERAL production.moments(label.differences) AS found
ORDER BY difference.number, label.number
