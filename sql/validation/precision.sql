-- Purpose: precision against S/N: CNN minus APOGEE and calibrated GSP-Spec minus APOGEE in S/N bins (Sect. 4.5, Fig.
--     16)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; aspcapflag_mask (bigint) APOGEE stars with
--     any of these ASPCAPFLAG bits are left out
-- Returns: subset source, sample and S/N bin; label column of the catalogue; n stars; bias mean difference;
--     dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13; source CNN
--     or GSP-Spec; sample training or observed; snr median S/N of the bin
WITH bin (number, low, high, name) AS (
    VALUES (1, 15, 20, 'S/N 15-20'), (2, 20, 25, 'S/N 20-25'), (3, 25, 30, 'S/N 25-30'), (4, 30, 40, 'S/N 30-40'),
           (5, 40, 50, 'S/N 40-50'), (6, 50, 75, 'S/N 50-75'), (7, 75, 100, 'S/N 75-100'),
           (8, 100, 150, 'S/N 100-150'), (9, 150, CAST('Infinity' AS double precision), 'S/N above 150')
), difference AS (
    SELECT source.number AS source_number, source.name AS source, star.role, bin.number AS bin_number, bin.name AS bin,
           label.number AS label_number, label.name AS label, array_agg(source.value - label.apogee) AS differences,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY gaia.rvs_spec_sig_to_noise)
               FILTER (WHERE source.value - label.apogee <> 'NaN') AS snr
    FROM production.labelled_star star
    JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    JOIN bin ON gaia.rvs_spec_sig_to_noise >= bin.low AND gaia.rvs_spec_sig_to_noise < bin.high
    JOIN production.apogee_reference apogee
      ON apogee.release = star.release AND apogee.file_id = star.apogee_file_id AND apogee.row_number = star.apogee_row
    LEFT JOIN production.gspspec_reference gspspec
      ON gspspec.release = star.release AND gspspec.source_id = star.source_id AND gspspec.good
    CROSS JOIN LATERAL (VALUES
        (1, 'teff', star.teff, gspspec.teff, apogee.teff), (2, 'logg', star.logg, gspspec.logg, apogee.logg),
        (3, 'mh', star.mh, gspspec.mh, apogee.mh), (4, 'alpham', star.alpham, gspspec.alpham, apogee.alpham),
        (5, 'feh', star.feh, NULL, apogee.feh)
    ) AS label (number, name, cnn, gspspec, apogee)
    CROSS JOIN LATERAL (VALUES (1, 'CNN', label.cnn), (2, 'GSP-Spec', label.gspspec)) AS source (number, name, value)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND apogee.aspcapflag & :aspcapflag_mask = 0
      AND (star.role = 'training' OR star.role = 'observed' AND star.flag_bits = 0)
    GROUP BY source.number, source.name, star.role, bin.number, bin.name, label.number, label.name
)
SELECT source || ', ' || role || ', ' || bin AS subset, label, found.n, found.bias, found.dispersion, found.robust_dispersion,
       source, role AS sample, snr
FROM difference
CROSS JOIN LATERAL production.moments(differences) AS found
ORDER BY source_number, role DESC, label_number, bin_number
