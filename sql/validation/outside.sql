-- Purpose: which stars lie outside the training sample's limits: share of observed stars with each digit of
--     flag_boundary by region of the Kiel diagram, [M/H] and colour (Sect. 5.3, Fig. 18)
-- Parameters: run_id (bigint) run
-- Returns: subset part of the sample; label digit (any for a flag other than 00000000); n observed stars of the part;
--     bias always null; dispersion always null; robust_dispersion always null; outside stars with that digit set;
--     fraction their share; part_kind region, [M/H] or colour; part_number order of the parts
WITH cell AS (
    -- One pass over the stars: there are few cells, and at most 256 flags in each.
    SELECT CASE
               WHEN star.teff > 7000 THEN 1
               WHEN star.teff BETWEEN 5700 AND 7000 AND star.logg BETWEEN 2 AND 4.5 THEN 2
               WHEN star.teff BETWEEN 4000 AND 5000 AND star.logg >= 4.5 THEN 3
               WHEN star.teff BETWEEN 2000 AND 4800 AND star.logg BETWEEN -2 AND 2 THEN 4
               ELSE 5
           END AS region,
           11 + width_bucket(star.mh, CAST(ARRAY[-2, -1, -0.5, 0, 0.5] AS real[])) AS mh,
           21 + width_bucket(gaia.bp_rp, CAST(ARRAY[0.5, 1, 1.5, 2] AS real[])) AS colour,
           star.flag_bits, count(*) AS n
    FROM production.labelled_star star
    LEFT JOIN survey.gaia_source gaia ON gaia.release = star.release AND gaia.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.role = 'observed'
      AND star.flag_bits IS NOT NULL
    GROUP BY 1, 2, 3, star.flag_bits
), part AS (
    SELECT part.kind, part.number, cell.flag_bits, sum(cell.n) AS n
    FROM cell
    CROSS JOIN LATERAL (VALUES ('region', cell.region), ('[M/H]', cell.mh), ('colour', cell.colour)) AS part (kind, number)
    WHERE part.number IS NOT NULL
    GROUP BY part.kind, part.number, cell.flag_bits
)
SELECT name.text AS subset, digit.name AS label, CAST(sum(n) AS bigint) AS n,
       CAST(NULL AS double precision) AS bias, CAST(NULL AS double precision) AS dispersion,
       CAST(NULL AS double precision) AS robust_dispersion,
       CAST(COALESCE(sum(n) FILTER (WHERE flag_bits & digit.mask <> 0), 0) AS bigint) AS outside,
       CAST(COALESCE(sum(n) FILTER (WHERE flag_bits & digit.mask <> 0), 0) / sum(n) AS double precision) AS fraction,
       part.kind AS part_kind, part.number AS part_number
FROM part
JOIN (VALUES
    (1, 'Teff > 7000 K'), (2, 'hot dwarfs'), (3, 'cool dwarfs'), (4, 'cool giants'), (5, 'elsewhere'),
    (11, '[M/H] < -2'), (12, '-2 <= [M/H] < -1'), (13, '-1 <= [M/H] < -0.5'), (14, '-0.5 <= [M/H] < 0'),
    (15, '0 <= [M/H] < 0.5'), (16, '[M/H] >= 0.5'),
    (21, 'BP-RP < 0.5'), (22, '0.5 <= BP-RP < 1'), (23, '1 <= BP-RP < 1.5'), (24, '1.5 <= BP-RP < 2'),
    (25, 'BP-RP >= 2')
) AS name (number, text) ON name.number = part.number
CROSS JOIN (VALUES
    (1, 'any', 255), (2, 'teff', 1), (3, 'logg', 2), (4, 'mh', 4), (5, 'alpham', 8), (6, 'feh', 16), (7, 'g', 32),
    (8, 'parallax', 64), (9, 'tsne', 128)
) AS digit (number, name, mask)
GROUP BY part.kind, part.number, name.text, digit.number, digit.name
ORDER BY part.number, digit.number
