-- Purpose: how many stars lie outside the training sample's limits, by digit of flag_boundary (Sects. 5.2 and 5.3)
-- Parameters: run_id (bigint) run
-- Returns: subset training or observed; label digit (any for a flag other than 00000000); n stars of the subset; bias
--     always null; dispersion always null; robust_dispersion always null; outside stars with that digit set; fraction
--     their share
WITH flag AS (
    -- Flags first: there are at most 256 of them.
    SELECT star.role, star.flag_bits, count(*) AS n
    FROM production.labelled_star star
    WHERE star.run_id = :run_id
      AND star.flag_bits IS NOT NULL
    GROUP BY star.role, star.flag_bits
)
SELECT role AS subset, digit.name AS label, CAST(sum(n) AS bigint) AS n, CAST(NULL AS double precision) AS bias,
       CAST(NULL AS double precision) AS dispersion, CAST(NULL AS double precision) AS robust_dispersion,
       CAST(COALESCE(sum(n) FILTER (WHERE flag_bits & digit.mask <> 0), 0) AS bigint) AS outside,
       CAST(COALESCE(sum(n) FILTER (WHERE flag_bits & digit.mask <> 0), 0) / sum(n) AS double precision) AS fraction
FROM flag
CROSS JOIN (VALUES
    (1, 'any', 255), (2, 'teff', 1), (3, 'logg', 2), (4, 'mh', 4), (5, 'alpham', 8), (6, 'feh', 16), (7, 'g', 32),
    (8, 'parallax', 64), (9, 'tsne', 128)
) AS digit (number, name, mask)
GROUP BY role, digit.number, digit.name
ORDER BY role DESC, digit.number
