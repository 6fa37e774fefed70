-- Purpose: CNN minus GALAH DR3 for observed stars inside the limits, with the flags of Sect. 6.3 (Fig. 22)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; galah_snr_min (real) GALAH stars need a
--     larger snr_c3_iraf
-- Returns: subset stars compared; label column of the catalogue; n stars; bias mean of CNN - GALAH; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH galah AS (
    -- The best good spectrum of each star: a repeated id multiplies no row.
    SELECT DISTINCT ON (galah.dr3_source_id)
           galah.dr3_source_id AS source_id, galah.teff, galah.logg, galah.fe_h, galah.alpha_fe
    FROM survey.galah_star galah
    JOIN production.ingest_file file ON file.file_id = galah.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
      AND galah.flag_sp = 0
      AND galah.flag_guess = 0
      AND galah.flag_fe_h = 0
      AND galah.flag_alpha_fe = 0
      AND galah.snr_c3_iraf > :galah_snr_min
    ORDER BY galah.dr3_source_id, galah.snr_c3_iraf DESC, galah.file_id, galah.row_number
), pair AS (
    SELECT gaia.rvs_spec_sig_to_noise AS snr, star.teff, star.logg, star.feh, star.alpham,
           galah.teff AS teff_galah, galah.logg AS logg_galah, galah.fe_h, galah.alpha_fe
    FROM production.labelled_star star
    JOIN galah USING (source_id)
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.role = 'observed'
      AND star.flag_bits = 0
), residual AS (
    SELECT subset.number AS subset_number, subset.name AS subset, label.number AS label_number, label.name AS label,
           label.cnn - label.galah AS value
    FROM pair
    CROSS JOIN LATERAL (VALUES
        (1, '15 <= S/N <= 25', snr BETWEEN 15 AND 25),
        (2, '15 <= S/N <= 25, log g < 2.2', snr BETWEEN 15 AND 25 AND logg_galah < 2.2),
        (3, '15 <= S/N <= 25, [Fe/H] > -1', snr BETWEEN 15 AND 25 AND fe_h > -1),
        (4, '15 <= S/N <= 25, [Fe/H] < -1', snr BETWEEN 15 AND 25 AND fe_h < -1),
        (5, 'all S/N', TRUE)
    ) AS subset (number, name, member)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', teff, teff_galah), (2, 'logg', logg, logg_galah),
        (3, 'alpham', alpham, alpha_fe), (4, 'feh', feh, fe_h)
    ) AS label (number, name, cnn, galah)
    WHERE subset.member
)
SELECT subset, label, count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion
FROM residual
WHERE value <> 'NaN'
GROUP BY subset_number, subset, label_number, label
ORDER BY subset_number, label_number
