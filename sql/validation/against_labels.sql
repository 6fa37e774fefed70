-- Purpose: how far the labels of two catalogues lie apart, in their units and in units of the combined sigma
-- Parameters: run_id (bigint) run; other_run_id (bigint) run that it is compared with, 0 for the published catalogue;
--     release (text) key of the survey rows
-- Returns: subset all stars in both catalogues, those that changed from one sample to the other, or those that did not, the
--     observed ones by where both flags put them; label column of the catalogue; n stars with a number and a sigma in both;
--     missing stars without; bias, dispersion, robust_dispersion mean, standard deviation and half the width from
--     percentile 15.87 to 84.13 of the difference, run minus other; bias_sigma, dispersion_sigma, robust_sigma the same in
--     units of sqrt(sigma^2 + sigma^2); beyond_1, beyond_3, beyond_5 share of stars beyond so many; sigma_ratio typical
--     (geometric mean) ratio of the sigmas, run to other
WITH other AS (
    SELECT source_id, role, teff, sigma_teff, logg, sigma_logg, mh, sigma_mh, alpham, sigma_alpham, feh, sigma_feh,
           flag_bits = 0 AS inside
    FROM production.labelled_star
    WHERE run_id = :other_run_id
    UNION ALL
    SELECT source_id, NULL, teff, sigma_teff, logg, sigma_logg, mh, sigma_mh, alpham, sigma_alpham, feh, sigma_feh,
           flag_boundary = '00000000'
    FROM production.published_reference
    WHERE :other_run_id = 0
      AND release = :'release'
), pair AS (
    SELECT CASE WHEN this.role <> other.role THEN 6
                WHEN this.role = 'training' THEN 2
                WHEN this.flag_bits = 0 AND other.inside THEN 3
                WHEN this.flag_bits <> 0 AND NOT other.inside THEN 4
                ELSE 5 END AS subset,
           label.number, label.difference, label.difference / NULLIF(sqrt(label.sigma ^ 2 + label.other_sigma ^ 2), 0) AS pull,
           ln(CASE WHEN label.sigma > 0 AND label.other_sigma > 0 THEN label.sigma / label.other_sigma END) AS ratio
    FROM production.labelled_star AS this
    JOIN other USING (source_id)
    CROSS JOIN LATERAL (VALUES
        (1, this.teff - other.teff, this.sigma_teff, other.sigma_teff), (2, this.logg - other.logg, this.sigma_logg, other.sigma_logg),
        (3, this.mh - other.mh, this.sigma_mh, other.sigma_mh), (4, this.alpham - other.alpham, this.sigma_alpham, other.sigma_alpham),
        (5, this.feh - other.feh, this.sigma_feh, other.sigma_feh)
    ) AS label (number, difference, sigma, other_sigma)
    WHERE this.run_id = :run_id
), counted AS (
    SELECT COALESCE(subset, 1) AS subset, number,
           count(*) FILTER (WHERE good) AS n, count(*) FILTER (WHERE NOT good) AS missing,
           avg(difference) FILTER (WHERE good) AS bias, stddev_samp(difference) FILTER (WHERE good) AS dispersion,
           percentile_cont(ARRAY[0.1587, 0.8413]) WITHIN GROUP (ORDER BY difference) FILTER (WHERE good) AS differences,
           avg(pull) FILTER (WHERE good) AS bias_sigma, stddev_samp(pull) FILTER (WHERE good) AS dispersion_sigma,
           percentile_cont(ARRAY[0.1587, 0.8413]) WITHIN GROUP (ORDER BY pull) FILTER (WHERE good) AS pulls,
           avg(CAST(abs(pull) > 1 AS integer)) FILTER (WHERE good) AS beyond_1,
           avg(CAST(abs(pull) > 3 AS integer)) FILTER (WHERE good) AS beyond_3,
           avg(CAST(abs(pull) > 5 AS integer)) FILTER (WHERE good) AS beyond_5,
           exp(avg(ratio) FILTER (WHERE good)) AS sigma_ratio
    FROM pair
    -- Not null, not NaN, not infinite.
    CROSS JOIN LATERAL (SELECT COALESCE(abs(pull) < 'Infinity' AND abs(ratio) < 'Infinity', FALSE)) AS test (good)
    GROUP BY GROUPING SETS ((number), (number, subset))
)
SELECT subset.name AS subset, label.name AS label, n, missing, bias, dispersion,
       (differences[2] - differences[1]) / 2 AS robust_dispersion, bias_sigma, dispersion_sigma,
       (pulls[2] - pulls[1]) / 2 AS robust_sigma, beyond_1, beyond_3, beyond_5, sigma_ratio
FROM counted
JOIN (VALUES
    (1, 'all'), (2, 'training'), (3, 'observed, inside the limits'), (4, 'observed, outside the limits'),
    (5, 'observed, inside in one alone'), (6, 'sample changed')
) AS subset (number, name) ON subset.number = counted.subset
JOIN (VALUES (1, 'teff'), (2, 'logg'), (3, 'mh'), (4, 'alpham'), (5, 'feh')) AS label (number, name) ON label.number = counted.number
ORDER BY counted.subset, counted.number
