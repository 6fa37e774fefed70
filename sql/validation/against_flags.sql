-- Purpose: flag_boundary in two catalogues, digit by digit: set in both, appeared, vanished
-- Parameters: run_id (bigint) run; other_run_id (bigint) run that it is compared with, 0 for the published catalogue;
--     release (text) key of the survey rows
-- Returns: subset all stars with a flag in both catalogues, or training or observed ones (of the run); label digit (any for
--     the whole flag: outside the limits at all); n stars; both set in both; appeared set in the run alone; vanished set in
--     the other alone; neither set in none; different stars whose digit differs (any: with any digit that differs)
WITH other AS (
    SELECT source_id, flag_bits FROM production.boundary WHERE run_id = :other_run_id
    UNION ALL
    -- The first digit is bit 0.
    SELECT source_id, CAST(CAST(reverse(flag_boundary) AS bit(8)) AS integer)
    FROM production.published_reference
    WHERE :other_run_id = 0
      AND release = :'release'
), pair AS (
    -- Few combinations of flags occur: count them first.
    SELECT this.role, this.flag_bits AS bits, other.flag_bits AS other_bits, count(*) AS n
    FROM production.labelled_star AS this
    JOIN other USING (source_id)
    WHERE this.run_id = :run_id
      AND this.flag_bits IS NOT NULL
    GROUP BY 1, 2, 3
)
SELECT COALESCE(role, 'all') AS subset, digit.name AS label, sum(n) AS n,
       COALESCE(sum(n) FILTER (WHERE here AND there), 0) AS both,
       COALESCE(sum(n) FILTER (WHERE here AND NOT there), 0) AS appeared,
       COALESCE(sum(n) FILTER (WHERE there AND NOT here), 0) AS vanished,
       COALESCE(sum(n) FILTER (WHERE NOT here AND NOT there), 0) AS neither,
       COALESCE(sum(n) FILTER (WHERE (bits # other_bits) & digit.mask <> 0), 0) AS different
FROM pair
CROSS JOIN (VALUES
    (0, 'any', 255), (1, 'teff', 1), (2, 'logg', 2), (3, 'mh', 4), (4, 'alpham', 8), (5, 'feh', 16), (6, 'g', 32),
    (7, 'parallax', 64), (8, 'tsne', 128)
) AS digit (number, name, mask)
CROSS JOIN LATERAL (SELECT bits & digit.mask <> 0, other_bits & digit.mask <> 0) AS state (here, there)
GROUP BY GROUPING SETS ((digit.number, digit.name), (digit.number, digit.name, role))
ORDER BY array_position(ARRAY['all', 'training', 'observed'], COALESCE(role, 'all')), digit.number
