-- Purpose: What the flag of every labelled star of a run is made from: labels, G, parallax, and whether the star is like
--   the training sample in every t-SNE map
-- Parameters: run_id (bigint) run; added (boolean) only stars that have come with the run, not those of its base;
--   after (bigint), upto (bigint) source_ids above the one and up to the other
-- Returns: source_id; teff (K), logg, mh, alpham, feh (dex), g (mag), parallax (mas), NaN where Gaia has none; training
--   whether it is a training star; alike whether it stands in every map and is like in each
SELECT label.source_id,
       label.teff, label.logg, label.mh, label.alpham, label.feh,
       COALESCE(gaia.phot_g_mean_mag, 'NaN') AS g,
       COALESCE(gaia.parallax, 'NaN') AS parallax,
       sample.role = 'training' AS training,
       COALESCE(star."like", false) AS alike
FROM production.label AS label
JOIN production.sample_star AS sample ON sample.run_id = label.run_id AND sample.source_id = label.source_id
LEFT JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
-- The same range for both: the planner does not carry it into the view.
LEFT JOIN production.likeness_star AS star
    ON star.run_id = label.run_id AND star.source_id = label.source_id
    AND star.source_id > :after AND star.source_id <= :upto
WHERE label.run_id = :run_id
  AND label.source_id > :after AND label.source_id <= :upto
  AND sample.added >= CAST(:added AS boolean)
ORDER BY label.source_id
