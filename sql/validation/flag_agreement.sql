-- Purpose: is flag_boundary, which Python computed, the flag that the database computes from limits and map distances?
--     Every star is compared, digit by digit
-- Parameters: run_id (bigint) run
-- Returns: subset training or observed; label digit (any for the whole flag); n labelled stars; bias always null;
--     dispersion always null; robust_dispersion always null; different stars that differ, or have one flag only; fraction
--     their share
WITH star AS (
    -- Verdicts first: there are few of them.
    SELECT sample.role, COALESCE(stored.flag_bits # computed.flag_bits, 255) AS changed,
           stored.flag_boundary IS DISTINCT FROM computed.flag_boundary AS unequal, count(*) AS n
    FROM production.label
    JOIN production.sample_star sample USING (run_id, source_id)
    LEFT JOIN production.boundary stored USING (run_id, source_id)
    LEFT JOIN production.boundary_computed computed USING (run_id, source_id)
    WHERE label.run_id = :run_id
      AND EXISTS (SELECT FROM production.boundary_limit made WHERE made.run_id = :run_id)
      AND EXISTS (SELECT FROM production.boundary made WHERE made.run_id = :run_id)
    GROUP BY 1, 2, 3
), counted AS (
    SELECT star.role, digit.number, digit.name, CAST(sum(star.n) AS bigint) AS n,
           CAST(COALESCE(sum(star.n) FILTER (WHERE star.changed & digit.mask <> 0 OR digit.number = 1 AND star.unequal), 0)
                AS bigint) AS different
    FROM star
    CROSS JOIN (VALUES
        (1, 'any', 255), (2, 'teff', 1), (3, 'logg', 2), (4, 'mh', 4), (5, 'alpham', 8), (6, 'feh', 16), (7, 'g', 32),
        (8, 'parallax', 64), (9, 'tsne', 128)
    ) AS digit (number, name, mask)
    GROUP BY star.role, digit.number, digit.name
)
SELECT role AS subset, name AS label, n, CAST(NULL AS double precision) AS bias, CAST(NULL AS double precision) AS dispersion,
       CAST(NULL AS double precision) AS robust_dispersion, different, CAST(different AS double precision) / n AS fraction
FROM counted
ORDER BY role DESC, number
