-- Purpose: one narrow row a star that two catalogues have in common, for the figures; NaN where there is no number
-- Parameters: run_id (bigint) run; other_run_id (bigint) run that it is compared with, 0 for the published catalogue;
--     release (text) key of the survey rows
-- Returns: training whether it is a training star (of the run); bits, other_bits flag_boundary of both as a bitmask, -1
--     without a flag; the five labels in the run; *_other in the other catalogue; *_sigma combined sigma,
--     sqrt(sigma^2 + sigma^2), 0 counts as none
WITH other AS (
    SELECT source_id, teff, sigma_teff, logg, sigma_logg, mh, sigma_mh, alpham, sigma_alpham, feh, sigma_feh, flag_bits
    FROM production.labelled_star
    WHERE run_id = :other_run_id
    UNION ALL
    SELECT source_id, teff, sigma_teff, logg, sigma_logg, mh, sigma_mh, alpham, sigma_alpham, feh, sigma_feh,
           CAST(CAST(CAST(reverse(flag_boundary) AS bit(8)) AS integer) AS smallint)
    FROM production.published_reference
    WHERE :other_run_id = 0
      AND release = :'release'
)
SELECT this.role = 'training' AS training, COALESCE(this.flag_bits, -1) AS bits, COALESCE(other.flag_bits, -1) AS other_bits,
       this.teff, this.logg, this.mh, this.alpham, this.feh,
       COALESCE(other.teff, 'NaN') AS teff_other, COALESCE(other.logg, 'NaN') AS logg_other, COALESCE(other.mh, 'NaN') AS mh_other,
       COALESCE(other.alpham, 'NaN') AS alpham_other, COALESCE(other.feh, 'NaN') AS feh_other,
       CAST(COALESCE(NULLIF(sqrt(this.sigma_teff ^ 2 + other.sigma_teff ^ 2), 0), 'NaN') AS real) AS teff_sigma,
       CAST(COALESCE(NULLIF(sqrt(this.sigma_logg ^ 2 + other.sigma_logg ^ 2), 0), 'NaN') AS real) AS logg_sigma,
       CAST(COALESCE(NULLIF(sqrt(this.sigma_mh ^ 2 + other.sigma_mh ^ 2), 0), 'NaN') AS real) AS mh_sigma,
       CAST(COALESCE(NULLIF(sqrt(this.sigma_alpham ^ 2 + other.sigma_alpham ^ 2), 0), 'NaN') AS real) AS alpham_sigma,
       CAST(COALESCE(NULLIF(sqrt(this.sigma_feh ^ 2 + other.sigma_feh ^ 2), 0), 'NaN') AS real) AS feh_sigma
FROM production.labelled_star AS this
JOIN other USING (source_id)
WHERE this.run_id = :run_id
