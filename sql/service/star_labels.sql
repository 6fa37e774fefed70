-- Purpose: A star's labels and flag in a run, with the ensemble that made them.
-- Parameters: run_id (bigint); source_id (bigint) star.
-- Returns: teff, eteff, sigma_teff … sigma_feh; n_members; ensemble_id, ensemble_key; flag_boundary, null
--          before flags are made; g (mag), parallax (mas).
SELECT l.teff, l.eteff, l.sigma_teff, l.logg, l.elogg, l.sigma_logg, l.mh, l.emh, l.sigma_mh,
       l.alpham, l.ealpham, l.sigma_alpham, l.feh, l.efeh, l.sigma_feh,
       l.n_members, l.ensemble_id, e.key AS ensemble_key, b.flag_boundary,
       gaia.phot_g_mean_mag AS g, gaia.parallax
FROM production.label l
JOIN production.ensemble e ON e.ensemble_id = l.ensemble_id
LEFT JOIN production.boundary b ON b.run_id = l.run_id AND b.source_id = l.source_id
LEFT JOIN survey.gaia_source gaia ON gaia.release = l.release AND gaia.source_id = l.source_id
WHERE l.run_id = :run_id AND l.source_id = :source_id;
