-- Purpose: observed stars inside the limits with a good StarHorse distance, from which the bimodality of [alpha/M] in
--     bins of Galactocentric R and |Z| is computed (Sect. 7, Fig. 24)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; starhorse_relative_max (real) half the width
--     of a distance from percentile 16 to 84 is at most so many medians; galactic_snr_min (real) and galactic_snr_max
--     (real) S/N of the paper's giants; galactic_logg_max (real) their largest log g
-- Returns: source_id star; ra degrees; dec degrees; dist16 and dist50 and dist84 percentiles of the distance in kpc, NaN
--     where there is none; snr of the RVS spectrum; logg, mh, alpham labels of the network; giant whether Fig. 24 would
--     show the star
WITH starhorse AS (
    -- The best good distance of each star: a repeated id multiplies no row.
    SELECT DISTINCT ON (distance.source_id) distance.source_id, distance.dist16, distance.dist50, distance.dist84
    FROM survey.starhorse_distance distance
    JOIN production.ingest_file file ON file.file_id = distance.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
      AND distance.dist50 > 0
      AND distance.dist50 < 'Infinity'
      AND COALESCE(distance.dist84 - distance.dist16 <= 2 * :starhorse_relative_max * distance.dist50, TRUE)
      -- Good: digits that are all zero, or words of which none says bad.
      AND COALESCE(ltrim(distance.starhorse_outputflag, ' 0') = ''
                   OR distance.starhorse_outputflag ~ '[A-Za-z]' AND distance.starhorse_outputflag !~* 'bad', TRUE)
    ORDER BY distance.source_id, (distance.dist84 - distance.dist16) / distance.dist50, distance.file_id,
             distance.row_number
)
SELECT star.source_id, gaia.ra, gaia.dec, COALESCE(starhorse.dist16, 'NaN') AS dist16, starhorse.dist50,
       COALESCE(starhorse.dist84, 'NaN') AS dist84, COALESCE(gaia.rvs_spec_sig_to_noise, 'NaN') AS snr,
       star.logg, star.mh, star.alpham,
       COALESCE(gaia.rvs_spec_sig_to_noise BETWEEN :galactic_snr_min AND :galactic_snr_max, FALSE)
       AND star.logg <= :galactic_logg_max AS giant
FROM production.labelled_star star
JOIN starhorse USING (source_id)
JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
WHERE star.run_id = :run_id
  AND star.release = :'release'
  AND star.role = 'observed'
  AND star.flag_bits = 0
  AND star.mh <> 'NaN'
  AND star.alpham <> 'NaN'
  AND gaia.ra IS NOT NULL
  AND gaia.dec IS NOT NULL
