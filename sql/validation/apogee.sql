-- Purpose: CNN minus APOGEE DR17 for training and observed stars (paper Sects. 3.3, 4.4 and 4.5; Figs. 7, 15 and 19)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset stars compared; label column of the catalogue; n stars; bias mean of CNN - APOGEE; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH pair AS (
    SELECT star.role, star.flag_bits = 0 AS inside, gaia.rvs_spec_sig_to_noise AS snr, apogee.mh AS mh_apogee,
           star.teff - apogee.teff AS teff, star.logg - apogee.logg AS logg, star.mh - apogee.mh AS mh,
           star.alpham - apogee.alpham AS alpham, star.feh - apogee.feh AS feh
    FROM production.labelled_star star
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    -- One APOGEE row a star: the one that the sample chose among duplicates.
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND apogee.aspcapflag & :aspcapflag_mask = 0
), difference AS (
    SELECT subset.number, subset.name AS subset, array_agg(teff) AS teff, array_agg(logg) AS logg, array_agg(mh) AS mh,
           array_agg(alpham) AS alpham, array_agg(feh) AS feh
    FROM pair
    CROSS JOIN LATERAL (VALUES
        (1, 'training', role = 'training'),
        (2, 'observed', role = 'observed' AND inside),
        (3, 'observed, 15 <= S/N <= 25', role = 'observed' AND inside AND snr BETWEEN 15 AND 25),
        (4, 'observed, metal-poor, 15 < S/N < 25', role = 'observed' AND inside AND snr > 15 AND snr < 25 AND mh_apogee < -1),
        (5, 'outside limits', role = 'observed' AND NOT inside)
    ) AS subset (number, name, member)
    WHERE subset.member
    GROUP BY subset.number, subset.name
)
SELECT subset, label.name AS label, found.n, found.bias, found.dispersion, found.robust_dispersion
FROM difference
CROSS JOIN LATERAL (VALUES (1, 'teff', teff), (2, 'logg', logg), (3, 'mh', mh), (4, 'alpham', alpham), (5, 'feh', feh))
    AS label (number, name, differences)
CROSS JOIN LATERAL production.moments(label.differences) AS found
ORDER BY difference.number, label.number
