-- Purpose: this catalogue minus the published one (Table 2 of Guiglion et al. 2024), and stars whose flag_boundary differs
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: subset training, observed or inside both flags, or flag_boundary of training or observed stars; label column of
--     the catalogue, or digit of the flag (any for the whole flag); n stars in both catalogues; bias mean difference,
--     null for flags; dispersion its standard deviation; robust_dispersion half its width from percentile 15.87 to 84.13;
--     different stars that have this digit in one catalogue only, null for labels; fraction their share
WITH star AS (
    SELECT star.role, star.flag_bits = 0 AND published.flag_boundary = '00000000' AS inside,
           star.flag_boundary AS flag, published.flag_boundary AS flag_published,
           star.teff - published.teff AS teff, star.logg - published.logg AS logg, star.mh - published.mh AS mh,
           star.alpham - published.alpham AS alpham, star.feh - published.feh AS feh
    FROM production.labelled_star star
    JOIN production.published_reference published
      ON published.release = star.release AND published.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
), difference AS (
    SELECT role, array_agg(teff) AS teff, array_agg(logg) AS logg, array_agg(mh) AS mh, array_agg(alpham) AS alpham,
           array_agg(feh) AS feh
    FROM star
    GROUP BY GROUPING SETS ((role), (inside))
    HAVING role IS NOT NULL OR inside
), flag AS (
    -- Pairs of flags first: there are few of them.
    SELECT role, flag, flag_published, count(*) AS n
    FROM star
    WHERE flag IS NOT NULL
    GROUP BY role, flag, flag_published
), answer AS (
    SELECT 1 AS part, COALESCE(role, 'inside both flags') AS subset, label.number, label.name AS label, found.n, found.bias, found.dispersion,
           found.robust_dispersion, CAST(NULL AS bigint) AS different
    FROM difference
    CROSS JOIN LATERAL (VALUES (1, 'teff', teff), (2, 'logg', logg), (3, 'mh', mh), (4, 'alpham', alpham), (5, 'feh', feh))
        AS label (number, name, differences)
    CROSS JOIN LATERAL production.moments(label.differences) AS found
    UNION ALL
    SELECT 2, 'flag_boundary, ' || role, digit.number, digit.name, CAST(sum(n) AS bigint), NULL, NULL, NULL,
           CAST(COALESCE(sum(n) FILTER (
               WHERE CASE digit.number
                         WHEN 0 THEN flag <> flag_published
                         ELSE substr(flag, digit.number, 1) <> substr(flag_published, digit.number, 1)
                     END
           ), 0) AS bigint)
    FROM flag
    CROSS JOIN (VALUES
        (0, 'any'), (1, 'teff'), (2, 'logg'), (3, 'mh'), (4, 'alpham'), (5, 'feh'), (6, 'g'), (7, 'parallax'), (8, 'tsne')
    ) AS digit (number, name)
    GROUP BY role, digit.number, digit.name
)
SELECT subset, label, n, bias, dispersion, robust_dispersion, different, CAST(different AS double precision) / n AS fraction
FROM answer
ORDER BY part, subset = 'inside both flags', subset DESC, number
