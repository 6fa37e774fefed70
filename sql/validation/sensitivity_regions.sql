-- Purpose: regions of the Kiel diagram whose gradients were averaged for the run's ensemble (paper Sect. 3.5, Fig. 9)
-- Parameters: run_id (bigint) run
-- Returns: region; rule limits of its labels; n_found training stars in it; n_stars those of them that were used;
--     labels their mean APOGEE labels; flux their mean spectrum. No row when the study has not been made
SELECT region.region, region.rule, region.n_found, region.n_stars, region.labels, region.flux
FROM production.sensitivity_region region
JOIN production.study study ON study.ensemble_id = region.ensemble_id AND study.name = 'sensitivity'
WHERE region.ensemble_id = (
    SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1
)
ORDER BY region.position
