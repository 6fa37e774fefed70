-- Purpose: mean and spread of CNN [Fe/H] in open clusters, beside those of GALAH DR3 members (Sect. 6.4, Fig. 23)
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; gaia_release (text) release of the
--     catalogue's source_id: lists with other ids are joined through production.cluster_match; members_min (integer)
--     fewest members of a cluster; proba_min (real) lowest membership probability
-- Returns: subset cluster, or all clusters; label always feh; n members with CNN labels (clusters for all clusters);
--     bias mean CNN minus mean GALAH (its mean over clusters); dispersion standard deviation of CNN [Fe/H] (its
--     median over clusters); robust_dispersion half its width from percentile 15.87 to 84.13 (its median); mean mean
--     CNN [Fe/H]; n_galah members with GALAH [Fe/H]; mean_galah their mean; dispersion_galah their standard deviation
WITH member AS (
    -- A star listed twice counts once, for the cluster where it is most probable.
    SELECT DISTINCT ON (found.source_id) found.source_id, member.cluster
    FROM survey.cluster_member member
    JOIN production.ingest_file file ON file.file_id = member.file_id
    LEFT JOIN production.cluster_match match
      ON match.file_id = member.file_id AND match.row_number = member.row_number
     AND match.gaia_release = :'gaia_release'
    -- The list's id if it is of that release, else the one that its neighbourhood table gives.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN member.gaia_release = :'gaia_release' THEN member.source_id ELSE match.source_id END
    ) AS found (source_id)
    WHERE file.release = :'release'
      AND file.status = 'complete'
      AND found.source_id IS NOT NULL
      AND (member.proba >= :proba_min OR member.proba IS NULL)
    ORDER BY found.source_id, member.proba DESC NULLS LAST, member.cluster, member.file_id, member.row_number
), galah AS (
    SELECT DISTINCT ON (galah.dr3_source_id) galah.dr3_source_id AS source_id, galah.fe_h
    FROM survey.galah_star galah
    JOIN production.ingest_file file ON file.file_id = galah.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
      AND galah.flag_sp = 0
      AND galah.flag_fe_h = 0
      AND galah.fe_h <> 'NaN'
    ORDER BY galah.dr3_source_id, galah.snr_c3_iraf DESC NULLS LAST, galah.file_id, galah.row_number
), cluster AS (
    SELECT member.cluster AS name, count(*) AS n, avg(star.feh) AS mean, stddev_samp(star.feh) AS dispersion,
           (percentile_cont(0.8413) WITHIN GROUP (ORDER BY star.feh)
            - percentile_cont(0.1587) WITHIN GROUP (ORDER BY star.feh)) / 2 AS robust_dispersion,
           count(galah.fe_h) AS n_galah, avg(galah.fe_h) AS mean_galah, stddev_samp(galah.fe_h) AS dispersion_galah
    FROM production.labelled_star star
    JOIN member USING (source_id)
    LEFT JOIN galah USING (source_id)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.flag_bits = 0
    GROUP BY member.cluster
    HAVING count(*) >= :members_min
)
SELECT *
FROM (
    SELECT name AS subset, 'feh' AS label, n, mean - mean_galah AS bias, dispersion, robust_dispersion,
           mean, n_galah, mean_galah, dispersion_galah
    FROM cluster
    UNION ALL
    SELECT 'all clusters', 'feh', count(*), avg(mean - mean_galah),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY dispersion),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY robust_dispersion),
           NULL, CAST(sum(n_galah) AS bigint), NULL, NULL
    FROM cluster
    HAVING count(*) > 0
) AS answer
ORDER BY mean IS NOT NULL, n DESC, subset
