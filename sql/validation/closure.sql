-- Purpose: closure test on a synthetic sky: recovered minus injected labels, by sample and by S/N
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: subset stars compared; label column of the catalogue; n stars; bias mean of CNN - truth; dispersion its
--     standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13
WITH truth AS (
    SELECT DISTINCT ON (truth.source_id) truth.*
    FROM survey.mock_truth truth
    JOIN production.ingest_file file ON file.file_id = truth.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
    ORDER BY truth.source_id, truth.file_id, truth.row_number
), residual AS (
    SELECT subset.number AS subset_number, subset.name AS subset, label.number AS label_number, label.name AS label,
           label.cnn - label.truth AS value
    FROM production.labelled_star star
    JOIN truth USING (source_id)
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    CROSS JOIN LATERAL (SELECT star.role = 'observed' AND star.flag_bits = 0, gaia.rvs_spec_sig_to_noise)
        AS quality (good, snr)
    CROSS JOIN LATERAL (VALUES
        (1, 'training', star.role = 'training'),
        (2, 'observed', good),
        (3, 'observed, S/N below 15', good AND snr < 15),
        (4, 'observed, S/N 15-25', good AND snr >= 15 AND snr < 25),
        (5, 'observed, S/N 25-35', good AND snr >= 25 AND snr < 35),
        (6, 'observed, S/N 35-75', good AND snr >= 35 AND snr < 75),
        (7, 'observed, S/N above 75', good AND snr >= 75),
        (8, 'outside limits', star.role = 'observed' AND star.flag_bits <> 0)
    ) AS subset (number, name, member)
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', star.teff, truth.teff), (2, 'logg', star.logg, truth.logg), (3, 'mh', star.mh, truth.mh),
        (4, 'alpham', star.alpham, truth.alpham), (5, 'feh', star.feh, truth.feh)
    ) AS label (number, name, cnn, truth)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND subset.member
)
SELECT subset, label, count(*) AS n, avg(value) AS bias, stddev_samp(value) AS dispersion,
       (percentile_cont(0.8413) WITHIN GROUP (ORDER BY value)
        - percentile_cont(0.1587) WITHIN GROUP (ORDER BY value)) / 2 AS robust_dispersion
FROM residual
WHERE value <> 'NaN'
GROUP BY subset_number, subset, label_number, label
ORDER BY subset_number, label_number
