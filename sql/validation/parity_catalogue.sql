-- Purpose: what the paper counts in its catalogue: flags, metal-poor stars, low-S/N giants, sizes of the uncertainties by
--     kind of star (Sects. 3.4, 4, 5 and 7; Figs. 8, 11, 13, 17, 18 and 24)
-- Parameters: run_id (bigint) run with labels; release (text) key of the survey rows
-- Returns: name what is counted; value number of stars, share (per cent), or median, null where there are no such stars. Stars without
--     flag_boundary are neither inside nor outside
WITH star AS (
    SELECT label.role = 'training' AS training, label.role = 'observed' AND label.flag_bits = 0 AS inside,
           label.role = 'observed' AND label.flag_bits <> 0 AS outside, label.flag_bits & 128 = 0 AS alike,
           label.teff, label.logg, label.mh, label.feh, label.sigma_teff, label.sigma_logg, label.sigma_mh, label.sigma_feh,
           gaia.ruwe, gaia.rvs_spec_sig_to_noise BETWEEN 15 AND 25 AS low_snr
    FROM production.labelled_star AS label
    JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
    WHERE label.run_id = :run_id
      AND label.release = :'release'
), told AS (
    SELECT count(*) AS stars,
           count(*) FILTER (WHERE inside OR outside) AS flagged,
           count(*) FILTER (WHERE inside) AS inside,
           count(*) FILTER (WHERE outside) AS outside,
           count(*) FILTER (WHERE NOT training AND alike) AS training_like,
           count(*) FILTER (WHERE inside AND mh < -1) AS metal_poor,
           count(*) FILTER (WHERE inside AND low_snr AND logg < 2.3) AS low_snr_giants_23,
           count(*) FILTER (WHERE inside AND low_snr AND logg <= 2.2) AS low_snr_giants_22,
           -- The paper gives no other definition of its cool supergiants than the size of their uncertainties.
           count(*) FILTER (WHERE inside AND sigma_teff BETWEEN 70 AND 300 AND sigma_logg BETWEEN 0.15 AND 0.5
                            AND sigma_mh BETWEEN 0.1 AND 0.3) AS uncertain,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY ruwe)
               FILTER (WHERE inside AND teff > 4600 AND teff < 5100 AND logg > 4 AND logg < 4.2) AS cool_dwarf_ruwe,
           min(mh) FILTER (WHERE outside) AS outside_mh_min,
           max(mh) FILTER (WHERE outside) AS outside_mh_max,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_teff)
               FILTER (WHERE training AND logg < 3.5) AS sigma_teff_giants,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_teff)
               FILTER (WHERE training AND logg >= 3.5) AS sigma_teff_dwarfs,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_mh)
               FILTER (WHERE training AND mh BETWEEN -1 AND 0) AS sigma_mh_middle,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_feh)
               FILTER (WHERE training AND feh BETWEEN -1 AND 0) AS sigma_feh_middle,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_mh) FILTER (WHERE training AND mh < -2) AS sigma_mh_poor,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sigma_feh) FILTER (WHERE training AND feh < -2) AS sigma_feh_poor
    FROM star
)
SELECT name, CAST(value AS double precision) AS value
FROM told
CROSS JOIN LATERAL (VALUES
    ('stars', stars),
    ('inside', CASE WHEN flagged > 0 THEN inside END),
    ('outside_share', CASE WHEN flagged > 0 THEN 100.0 * outside / stars END),
    ('training_like', CASE WHEN flagged > 0 THEN training_like END),
    ('metal_poor', CASE WHEN flagged > 0 THEN metal_poor END),
    ('low_snr_giants_23', CASE WHEN flagged > 0 THEN low_snr_giants_23 END),
    ('low_snr_giants_22', CASE WHEN flagged > 0 THEN low_snr_giants_22 END),
    ('uncertain', CASE WHEN flagged > 0 THEN uncertain END),
    ('cool_dwarf_ruwe', cool_dwarf_ruwe),
    ('outside_mh_min', outside_mh_min),
    ('outside_mh_max', outside_mh_max),
    ('sigma_teff_giants', sigma_teff_giants),
    ('sigma_teff_dwarfs', sigma_teff_dwarfs),
    ('sigma_mh_middle', sigma_mh_middle),
    ('sigma_feh_middle', sigma_feh_middle),
    ('sigma_mh_poor', sigma_mh_poor),
    ('sigma_feh_poor', sigma_feh_poor)
) AS row (name, value)
