-- Purpose: how the labels of the run's ensemble answer to controlled changes of the spectra (Sect. 4.5, Appendix C)
-- Parameters: run_id (bigint) run
-- Returns: experiment what was changed, 'observed' for the control; level how strongly; unit of level; region class of
--     stars; label column of the catalogue; n stars; bias mean change of the label; dispersion its standard deviation;
--     robust_dispersion half its width from percentile 15.87 to 84.13; e mean model-to-model dispersion and sigma mean
--     overall uncertainty after the change; sigma_observed the same before; unusable fraction without labels. No row
--     when the study has not been made for this ensemble
SELECT response.experiment, response.level, response.unit, response.region, response.label, response.n,
       response.bias, response.dispersion, response.robust_dispersion, response.e, response.sigma,
       control.sigma AS sigma_observed, response.unusable
FROM production.response response
JOIN production.study study ON study.ensemble_id = response.ensemble_id AND study.name = 'robustness'
LEFT JOIN production.response control
  ON control.ensemble_id = response.ensemble_id
 AND control.experiment = 'observed'
 AND control.region = response.region
 AND control.label = response.label
WHERE response.ensemble_id = (
    SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1
)
ORDER BY response.experiment, response.region, response.label, response.level
