-- Purpose: What each digit of flag_boundary means for each star of the catalogue, in words; it is the view
--   catalogue.flag_boundary_explained
-- Returns: the columns of that view, see its comments
SELECT star.source_id, digit.digit, CAST(digit.quantity AS varchar(32)) AS quantity,
       CAST(substr(star.flag_boundary, digit.digit, 1) AS smallint) AS outside,
       digit.value, limits.lower, CASE WHEN digit.digit = 8 THEN 1 ELSE limits.upper END AS upper,
       CAST(production.digit_words(
           digit.digit, substr(star.flag_boundary, digit.digit, 1) = '1', digit.value, limits.lower, limits.upper, star.role
       ) AS varchar(300)) AS words
FROM catalogue.rvs_cnn_extended AS star
CROSS JOIN LATERAL (VALUES
    (CAST(1 AS smallint), 'teff', CAST(star.teff AS double precision)),
    (CAST(2 AS smallint), 'logg', star.logg),
    (CAST(3 AS smallint), 'mh', star.mh),
    (CAST(4 AS smallint), 'alpham', star.alpham),
    (CAST(5 AS smallint), 'feh', star.feh),
    (CAST(6 AS smallint), 'g', star.phot_g_mean_mag),
    (CAST(7 AS smallint), 'parallax', star.parallax),
    (CAST(8 AS smallint), 'tsne', star.tsne_ratio)
) AS digit (digit, quantity, value)
LEFT JOIN catalogue.boundary_limits AS limits ON limits.quantity = digit.quantity
