-- Purpose: the stars whose labels changed most between two catalogues, in units of the combined sigma
-- Parameters: run_id (bigint) run; other_run_id (bigint) run that it is compared with, 0 for the published catalogue;
--     release (text) key of the survey rows; sigma (double precision) stars with a label that changed by more than so many
--     sqrt(sigma^2 + sigma^2); most (bigint) at most so many stars
-- Returns: source_id; role sample of the star in the run; snr S/N of the RVS spectrum; label the one that changed most;
--     change by how many sigma, run minus other; *_other, * each label in the other catalogue and in the run; *_change the
--     difference in sigma; flag_boundary_other, flag_boundary the flags
WITH other AS (
    SELECT source_id, teff, sigma_teff, logg, sigma_logg, mh, sigma_mh, alpham, sigma_alpham, feh, sigma_feh, flag_boundary
    FROM production.labelled_star
    WHERE run_id = :other_run_id
    UNION ALL
    SELECT source_id, teff, sigma_teff, logg, sigma_logg, mh, sigma_mh, alpham, sigma_alpham, feh, sigma_feh, flag_boundary
    FROM production.published_reference
    WHERE :other_run_id = 0
      AND release = :'release'
), pair AS (
    SELECT this.release, this.source_id, this.role, other.flag_boundary AS flag_boundary_other, this.flag_boundary,
           this.teff, this.logg, this.mh, this.alpham, this.feh, other.teff AS teff_other, other.logg AS logg_other,
           other.mh AS mh_other, other.alpham AS alpham_other, other.feh AS feh_other,
           CAST((this.teff - other.teff) / NULLIF(sqrt(this.sigma_teff ^ 2 + other.sigma_teff ^ 2), 0) AS real) AS teff_change,
           CAST((this.logg - other.logg) / NULLIF(sqrt(this.sigma_logg ^ 2 + other.sigma_logg ^ 2), 0) AS real) AS logg_change,
           CAST((this.mh - other.mh) / NULLIF(sqrt(this.sigma_mh ^ 2 + other.sigma_mh ^ 2), 0) AS real) AS mh_change,
           CAST((this.alpham - other.alpham) / NULLIF(sqrt(this.sigma_alpham ^ 2 + other.sigma_alpham ^ 2), 0) AS real) AS alpham_change,
           CAST((this.feh - other.feh) / NULLIF(sqrt(this.sigma_feh ^ 2 + other.sigma_feh ^ 2), 0) AS real) AS feh_change
    FROM production.labelled_star AS this
    JOIN other USING (source_id)
    WHERE this.run_id = :run_id
), changed AS (
    -- GREATEST passes over nulls; a NaN is no number of sigma.
    SELECT pair.*, GREATEST(
        abs(NULLIF(teff_change, 'NaN')), abs(NULLIF(logg_change, 'NaN')), abs(NULLIF(mh_change, 'NaN')),
        abs(NULLIF(alpham_change, 'NaN')), abs(NULLIF(feh_change, 'NaN'))
    ) AS largest
    FROM pair
)
SELECT source_id, role, gaia.rvs_spec_sig_to_noise AS snr, label.name AS label, label.change,
       teff_other, teff, teff_change, logg_other, logg, logg_change, mh_other, mh, mh_change,
       alpham_other, alpham, alpham_change, feh_other, feh, feh_change, flag_boundary_other, flag_boundary
FROM changed
LEFT JOIN survey.gaia_source AS gaia USING (release, source_id)
CROSS JOIN LATERAL (
    SELECT CASE largest WHEN abs(teff_change) THEN 'teff' WHEN abs(logg_change) THEN 'logg' WHEN abs(mh_change) THEN 'mh'
                        WHEN abs(alpham_change) THEN 'alpham' ELSE 'feh' END,
           CASE largest WHEN abs(teff_change) THEN teff_change WHEN abs(logg_change) THEN logg_change
                        WHEN abs(mh_change) THEN mh_change WHEN abs(alpham_change) THEN alpham_change ELSE feh_change END
) AS label (name, change)
WHERE largest > :sigma
ORDER BY largest DESC, source_id
LIMIT :most
