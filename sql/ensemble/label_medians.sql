-- Purpose: Number of labelled stars of a run, and the medians of each label's dispersion over members, overall
--     and calibrated uncertainty
-- Parameters: run_id (bigint) run; added (boolean) only stars that have come with the run, not those of its base
-- Returns: n stars; eteff, sigma_teff K; elogg … sigma_feh dex: medians; sigma_teff_oof … sigma_feh_oof: null without
--     calibration
SELECT count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY eteff) AS eteff,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_teff) AS sigma_teff,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_teff_oof) AS sigma_teff_oof,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY elogg) AS elogg,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_logg) AS sigma_logg,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_logg_oof) AS sigma_logg_oof,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY emh) AS emh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_mh) AS sigma_mh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_mh_oof) AS sigma_mh_oof,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY ealpham) AS ealpham,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_alpham) AS sigma_alpham,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_alpham_oof) AS sigma_alpham_oof,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY efeh) AS efeh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_feh) AS sigma_feh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_feh_oof) AS sigma_feh_oof
FROM production.label
JOIN production.sample_star AS sample USING (run_id, source_id)
WHERE run_id = :run_id AND sample.added >= CAST(:added AS boolean)
