-- Purpose: Everything that is published of a run's stars, one row a star: Gaia data, labels, flag, map distances, provenance
-- Parameters: run_id (bigint) run
-- Returns: the columns of catalogue.rvs_cnn_extended, see the comments of that table
WITH distance AS (
    SELECT source_id,
           max(distance) FILTER (WHERE perplexity = 30) AS tsne_distance_30,
           max(distance) FILTER (WHERE perplexity = 50) AS tsne_distance_50,
           max(distance) FILTER (WHERE perplexity = 75) AS tsne_distance_75,
           max(distance) FILTER (WHERE perplexity = 100) AS tsne_distance_100
    FROM production.likeness
    WHERE run_id = :run_id
    GROUP BY source_id
)
SELECT label.source_id, CAST(label.source_id AS text) AS sourceid, label.release, sample.role,
       gaia.ra, gaia.dec, gaia.l, gaia.b, gaia.phot_g_mean_mag, gaia.bp_rp, gaia.parallax, gaia.parallax_error,
       gaia.rvs_spec_sig_to_noise, gaia.ruwe, gaia.radial_velocity, gaia.radial_velocity_error,
       label.teff, label.eteff, label.sigma_teff,
       label.logg, label.elogg, label.sigma_logg,
       label.mh, label.emh, label.sigma_mh,
       label.feh, label.efeh, label.sigma_feh,
       label.alpham, label.ealpham, label.sigma_alpham,
       label.sigma_teff_oof, label.sigma_logg_oof, label.sigma_mh_oof, label.sigma_feh_oof, label.sigma_alpham_oof,
       boundary.flag_boundary, boundary.flag_bits, label.n_members,
       distance.tsne_distance_30, distance.tsne_distance_50, distance.tsne_distance_75, distance.tsne_distance_100,
       CAST(map.ratio AS real) AS tsne_ratio,
       companion.distance AS pca_distance, companion.quantile AS pca_quantile, CAST(CAST(companion.outside AS integer) AS smallint) AS pca_outside,
       apogee.apogee_id, ensemble.key AS ensemble, label.run_id
FROM production.label AS label
JOIN production.sample_star AS sample ON sample.run_id = label.run_id AND sample.source_id = label.source_id
JOIN production.boundary AS boundary ON boundary.run_id = label.run_id AND boundary.source_id = label.source_id
JOIN production.ensemble AS ensemble ON ensemble.ensemble_id = label.ensemble_id
JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
LEFT JOIN distance ON distance.source_id = label.source_id
LEFT JOIN production.likeness_star AS map ON map.run_id = label.run_id AND map.source_id = label.source_id
LEFT JOIN production.training_distance AS companion
    ON companion.run_id = label.run_id AND companion.source_id = label.source_id
LEFT JOIN survey.apogee_star AS apogee
    ON apogee.file_id = sample.apogee_file_id AND apogee.row_number = sample.apogee_row
WHERE label.run_id = :run_id
