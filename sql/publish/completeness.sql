-- Purpose: Whether a run's labels can be published: every star needs sample, flag, Gaia row and finite labels
-- Parameters: run_id (bigint) run
-- Returns: n_labels labelled stars; no_sample without a training or observed sample; no_flag without flag_boundary; no_source without a row in gaia_source; not_finite with a label or uncertainty that is not finite; no_label stars of the samples without labels; example source_id of one star that cannot be published, or null
WITH star AS (
    SELECT COALESCE(label.source_id, sample.source_id) AS source_id,
           label.source_id IS NULL AS no_label,
           label.source_id IS NOT NULL AND (sample.role IS NULL OR sample.role = 'rejected') AS no_sample,
           label.source_id IS NOT NULL AND boundary.source_id IS NULL AS no_flag,
           label.source_id IS NOT NULL AND gaia.source_id IS NULL AS no_source,
           -- One NaN or infinity makes the sum NaN or infinite.
           COALESCE(CAST(label.teff AS double precision) + label.eteff + label.sigma_teff
               + label.logg + label.elogg + label.sigma_logg + label.mh + label.emh + label.sigma_mh
               + label.alpham + label.ealpham + label.sigma_alpham + label.feh + label.efeh + label.sigma_feh
               -- Labels of earlier versions have no calibrated uncertainty.
               + COALESCE(label.sigma_teff_oof, 0) + COALESCE(label.sigma_logg_oof, 0)
               + COALESCE(label.sigma_mh_oof, 0) + COALESCE(label.sigma_alpham_oof, 0)
               + COALESCE(label.sigma_feh_oof, 0)
               IN ('NaN', 'Infinity', '-Infinity'), false) AS not_finite
    FROM (SELECT * FROM production.label WHERE run_id = :run_id) AS label
    FULL JOIN (SELECT * FROM production.sample_star WHERE run_id = :run_id) AS sample
        ON sample.source_id = label.source_id
    LEFT JOIN production.boundary AS boundary ON boundary.run_id = :run_id AND boundary.source_id = label.source_id
    LEFT JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
    WHERE label.source_id IS NOT NULL OR sample.role IN ('training', 'observed')
)
SELECT count(*) FILTER (WHERE NOT no_label) AS n_labels,
       count(*) FILTER (WHERE no_sample) AS no_sample,
       count(*) FILTER (WHERE no_flag) AS no_flag,
       count(*) FILTER (WHERE no_source) AS no_source,
       count(*) FILTER (WHERE not_finite) AS not_finite,
       count(*) FILTER (WHERE no_label) AS no_label,
       min(source_id) FILTER (WHERE no_sample OR no_flag OR no_source OR not_finite) AS example
FROM star
