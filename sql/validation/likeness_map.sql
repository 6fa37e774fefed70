-- Purpose: positions in one t-SNE map of the RVS spectra, with labels (Sect. 5.1, Figs. 17, A.1 and A.2)
-- Parameters: run_id (bigint) run; perplexity (integer) which of the maps
-- Returns: source_id; x, y position; training whether a training star; alike whether the spectrum is training-like in this
--     map; teff (K), logg, mh (dex) labels of the catalogue, NaN without labels
SELECT map.source_id, map.x, map.y, star.role = 'training' AS training, map."like" AS alike,
       COALESCE(label.teff, 'NaN') AS teff, COALESCE(label.logg, 'NaN') AS logg, COALESCE(label.mh, 'NaN') AS mh
FROM production.likeness map
JOIN production.sample_star star USING (run_id, source_id)
LEFT JOIN production.label USING (run_id, source_id)
WHERE map.run_id = :run_id
  AND map.perplexity = :perplexity
