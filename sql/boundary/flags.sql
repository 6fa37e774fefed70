-- Purpose: The eight digits of flag_boundary for every labelled star of a run (paper Sect. 5.2): Teff, log g, [M/H],
--   [alpha/M], [Fe/H], G and parallax outside the training sample's limits, spectrum unlike the training sample's in
--   any t-SNE map
-- Parameters: run_id (bigint) run
-- Returns: release and source_id of the star; flag_boundary eight digits, 1 is outside or unlike; flag_bits the same as a bitmask, digit 1 in bit 0
WITH limits AS (
    SELECT ensemble_id, entry.key AS quantity,
           CAST(entry.value ->> 0 AS double precision) AS lower,
           CAST(entry.value ->> 1 AS double precision) AS upper
    FROM production.ensemble
    CROSS JOIN LATERAL jsonb_each(limits) AS entry
    WHERE jsonb_typeof(entry.value) = 'array'
), likeness AS (
    -- A star counts as like only when it stands in every map and is like in all of them.
    SELECT source_id,
           count(*) = (SELECT count(*) FROM production.likeness_map WHERE run_id = :run_id) AND bool_and("like") AS "like"
    FROM production.likeness
    WHERE run_id = :run_id
    GROUP BY source_id
), star AS (
    SELECT label.release, label.source_id,
           COALESCE(label.teff BETWEEN teff.lower AND teff.upper, false) AS teff,
           COALESCE(label.logg BETWEEN logg.lower AND logg.upper, false) AS logg,
           COALESCE(label.mh BETWEEN mh.lower AND mh.upper, false) AS mh,
           COALESCE(label.alpham BETWEEN alpham.lower AND alpham.upper, false) AS alpham,
           COALESCE(label.feh BETWEEN feh.lower AND feh.upper, false) AS feh,
           COALESCE(gaia.phot_g_mean_mag BETWEEN g.lower AND g.upper, false) AS g,
           COALESCE(gaia.parallax BETWEEN parallax.lower AND parallax.upper, false) AS parallax,
           -- Training stars are the reference: like by definition.
           sample.role = 'training' OR COALESCE(likeness."like", false) AS tsne
    FROM production.label AS label
    JOIN production.sample_star AS sample ON sample.run_id = label.run_id AND sample.source_id = label.source_id
    LEFT JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
    LEFT JOIN likeness ON likeness.source_id = label.source_id
    JOIN limits AS teff ON teff.ensemble_id = label.ensemble_id AND teff.quantity = 'teff'
    JOIN limits AS logg ON logg.ensemble_id = label.ensemble_id AND logg.quantity = 'logg'
    JOIN limits AS mh ON mh.ensemble_id = label.ensemble_id AND mh.quantity = 'mh'
    JOIN limits AS alpham ON alpham.ensemble_id = label.ensemble_id AND alpham.quantity = 'alpham'
    JOIN limits AS feh ON feh.ensemble_id = label.ensemble_id AND feh.quantity = 'feh'
    JOIN limits AS g ON g.ensemble_id = label.ensemble_id AND g.quantity = 'g'
    JOIN limits AS parallax ON parallax.ensemble_id = label.ensemble_id AND parallax.quantity = 'parallax'
    WHERE label.run_id = :run_id
), digit AS (
    -- Inside is 0, outside is 1.
    SELECT release, source_id,
           ARRAY[1 - CAST(teff AS integer), 1 - CAST(logg AS integer), 1 - CAST(mh AS integer),
                 1 - CAST(alpham AS integer), 1 - CAST(feh AS integer), 1 - CAST(g AS integer),
                 1 - CAST(parallax AS integer), 1 - CAST(tsne AS integer)] AS digits
    FROM star
)
SELECT release, source_id,
       array_to_string(digits, '') AS flag_boundary,
       CAST((SELECT sum(d << (CAST(i AS integer) - 1)) FROM unnest(digits) WITH ORDINALITY AS u (d, i)) AS smallint) AS flag_bits
FROM digit
ORDER BY source_id
