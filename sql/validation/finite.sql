-- Purpose: are all labels and uncertainties numbers? A network that has diverged predicts NaN
-- Parameters: run_id (bigint) run
-- Returns: subset training or observed; label column of the catalogue; n stars; bias always null; dispersion always
--     null; robust_dispersion always null; missing stars whose label, e* or sigma_* is NaN or infinite, or whose
--     sigma_* is not positive; fraction their share
SELECT star.role AS subset, label.name AS label, count(*) AS n, CAST(NULL AS double precision) AS bias,
       CAST(NULL AS double precision) AS dispersion, CAST(NULL AS double precision) AS robust_dispersion,
       count(*) FILTER (WHERE bad) AS missing,
       CAST(count(*) FILTER (WHERE bad) AS double precision) / count(*) AS fraction
FROM production.labelled_star star
CROSS JOIN LATERAL (VALUES
    (1, 'teff', teff, eteff, sigma_teff), (2, 'logg', logg, elogg, sigma_logg), (3, 'mh', mh, emh, sigma_mh),
    (4, 'alpham', alpham, ealpham, sigma_alpham), (5, 'feh', feh, efeh, sigma_feh)
) AS label (number, name, value, e, sigma)
CROSS JOIN LATERAL (SELECT 'NaN' IN (value, e, sigma) OR 'Infinity' IN (abs(value), e, sigma) OR sigma <= 0) AS test (bad)
WHERE star.run_id = :run_id
GROUP BY star.role, label.number, label.name
ORDER BY star.role DESC, label.number
