-- Purpose: hot dwarfs of GALAH DR3 that the CNN finds too cool or too hot (Sect. 6.3, Fig. 22)
-- Parameters: run_id (bigint) run with labels; release (text) key of the survey rows; galah_snr_min (real) GALAH stars need
--     a larger snr_c3_iraf
-- Returns: name what is told; value number of stars with GALAH Teff > 6500 K, and the mean of CNN - GALAH, K
SELECT name, CAST(value AS double precision) AS value
FROM (
    SELECT count(*) AS hot_dwarfs, avg(label.teff - galah.teff) AS hot_dwarfs_bias
    FROM production.labelled_star AS label
    JOIN production.galah_reference AS galah ON galah.release = label.release AND galah.source_id = label.source_id
    JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
    WHERE label.run_id = :run_id
      AND label.release = :'release'
      AND label.role = 'observed'
      AND label.flag_bits = 0
      AND galah.release = :'release'
      AND galah.snr > :galah_snr_min
      AND galah.teff > 6500
      AND galah.teff <> 'NaN'
      AND gaia.rvs_spec_sig_to_noise BETWEEN 15 AND 25
) AS told
CROSS JOIN LATERAL (VALUES
    ('hot_dwarfs', CASE WHEN hot_dwarfs > 0 THEN hot_dwarfs END), ('hot_dwarfs_bias', hot_dwarfs_bias)
) AS row (name, value)
