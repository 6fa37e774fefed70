-- Purpose: residuals of training stars by the members that have not seen them, with the sigmas they are measured by;
--     one row a star
-- Parameters: run_id (bigint) run
-- Returns: source_id; residual_* CNN - APOGEE; sigma_* as published; sigma_*_oof calibrated on other stars than this
--     one, null where there are too few
SELECT star.source_id,
       unseen.residual_teff, star.sigma_teff, unseen.sigma_teff_oof,
       unseen.residual_logg, star.sigma_logg, unseen.sigma_logg_oof,
       unseen.residual_mh, star.sigma_mh, unseen.sigma_mh_oof,
       unseen.residual_alpham, star.sigma_alpham, unseen.sigma_alpham_oof,
       unseen.residual_feh, star.sigma_feh, unseen.sigma_feh_oof
FROM production.labelled_star star
JOIN production.training_residual unseen USING (ensemble_id, source_id)
WHERE star.run_id = :run_id
  AND star.role = 'training'
