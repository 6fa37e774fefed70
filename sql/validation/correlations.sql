-- Purpose: correlations of labels, photometry, parallax and S/N with each other, in the training sample and in the
--     observed sample inside and outside the limits (Sects. 2.6 and 4.1, Fig. 5)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; correlation_most (integer) stars of each
--     sample at most: the first ones by a remainder of source_id, which spreads them over the sky. A coefficient is
--     then uncertain by less than the inverse square root of their number
-- Returns: subset sample and second quantity; label first quantity; n stars with both; bias always null; dispersion
--     always null; robust_dispersion always null; pearson, spearman coefficients of linear and of rank correlation,
--     null for a constant; sample, first, second quantities by name; the labels are those of the catalogue
WITH numbered AS (
    SELECT star.source_id, star.teff, star.logg, star.mh, star.alpham, star.feh, sample.name AS sample,
           row_number() OVER (PARTITION BY sample.name ORDER BY star.source_id % 1000003, star.source_id) AS place
    FROM production.labelled_star star
    CROSS JOIN LATERAL (SELECT CASE
        WHEN star.role = 'training' THEN 'training'
        WHEN star.role = 'observed' AND star.flag_bits = 0 THEN 'observed'
        WHEN star.role = 'observed' AND star.flag_bits <> 0 THEN 'outside'
    END) AS sample (name)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND sample.name IS NOT NULL
), star AS (
    SELECT numbered.sample, teff, logg, mh, alpham, feh, gaia.phot_g_mean_mag AS g,
           gaia.phot_bp_mean_mag AS bp, gaia.phot_rp_mean_mag AS rp, gaia.parallax, gaia.rvs_spec_sig_to_noise AS snr
    FROM numbered
    JOIN survey.gaia_source gaia ON gaia.release = :'release' AND gaia.source_id = numbered.source_id
    WHERE numbered.place <= :correlation_most
), ranked AS (
    -- Equal values share the mean of their ranks; the rank of a missing value is never used.
    SELECT sample,
           CAST(ARRAY[teff, logg, mh, alpham, feh, g, bp, rp, parallax, snr] AS double precision[]) AS value,
           CAST(ARRAY[
               rank() OVER by_teff + cume_dist() OVER by_teff * count(*) OVER by_sample,
               rank() OVER by_logg + cume_dist() OVER by_logg * count(*) OVER by_sample,
               rank() OVER by_mh + cume_dist() OVER by_mh * count(*) OVER by_sample,
               rank() OVER by_alpham + cume_dist() OVER by_alpham * count(*) OVER by_sample,
               rank() OVER by_feh + cume_dist() OVER by_feh * count(*) OVER by_sample,
               rank() OVER by_g + cume_dist() OVER by_g * count(*) OVER by_sample,
               rank() OVER by_bp + cume_dist() OVER by_bp * count(*) OVER by_sample,
               rank() OVER by_rp + cume_dist() OVER by_rp * count(*) OVER by_sample,
               rank() OVER by_parallax + cume_dist() OVER by_parallax * count(*) OVER by_sample,
               rank() OVER by_snr + cume_dist() OVER by_snr * count(*) OVER by_sample
           ] AS double precision[]) AS place
    FROM star
    WINDOW by_sample AS (PARTITION BY sample),
           by_teff AS (PARTITION BY sample ORDER BY teff), by_logg AS (PARTITION BY sample ORDER BY logg),
           by_mh AS (PARTITION BY sample ORDER BY mh), by_alpham AS (PARTITION BY sample ORDER BY alpham),
           by_feh AS (PARTITION BY sample ORDER BY feh), by_g AS (PARTITION BY sample ORDER BY g),
           by_bp AS (PARTITION BY sample ORDER BY bp), by_rp AS (PARTITION BY sample ORDER BY rp),
           by_parallax AS (PARTITION BY sample ORDER BY parallax), by_snr AS (PARTITION BY sample ORDER BY snr)
), name (number, name) AS (
    VALUES (1, 'teff'), (2, 'logg'), (3, 'mh'), (4, 'alpham'), (5, 'feh'), (6, 'G'), (7, 'BP'), (8, 'RP'),
           (9, 'parallax'), (10, 'S/N')
), pair AS (
    SELECT sample, one.number AS one, two.number AS two, count(*) AS n,
           corr(value[one.number], value[two.number]) AS pearson,
           corr(place[one.number], place[two.number]) AS spearman
    FROM ranked
    JOIN generate_series(1, 10) AS one (number) ON value[one.number] <> 'NaN'
    JOIN generate_series(1, 10) AS two (number) ON two.number > one.number AND value[two.number] <> 'NaN'
    GROUP BY sample, one.number, two.number
)
SELECT sample || ', with ' || two.name AS subset, one.name AS label, n,
       CAST(NULL AS double precision) AS bias, CAST(NULL AS double precision) AS dispersion,
       CAST(NULL AS double precision) AS robust_dispersion,
       pearson, spearman, sample, one.name AS first, two.name AS second
FROM pair
JOIN name one ON one.number = pair.one
JOIN name two ON two.number = pair.two
ORDER BY sample = 'training' DESC, sample, pair.two, pair.one
