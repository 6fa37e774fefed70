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
      AND (member.proba >= CAST(:proba_min AS real) OR member.proba IS NULL)
    ORDER BY found.source_id, member.proba DESC NULLS LAST, member.cluster, member.file_id, member.row_number
), cluster AS (
    SELECT member.cluster AS name, array_agg(star.feh) AS iron,
           count(galah.feh) AS n_galah, avg(galah.feh) AS mean_galah, stddev_samp(galah.feh) AS dispersion_galah
    FROM production.labelled_star star
    JOIN member USING (source_id)
    LEFT JOIN production.galah_iron galah ON galah.release = star.release AND galah.source_id = star.source_id
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.flag_bits = 0
    GROUP BY member.cluster
    HAVING count(*) >= :members_min
), measured AS (
    SELECT cluster.*, found.n, found.bias AS mean, found.dispersion, found.robust_dispersion
    FROM cluster
    CROSS JOIN LATERAL production.moments(iron) AS found
)
SELECT *
FROM (
    SELECT name AS subset, 'feh' AS label, n, mean - mean_galah AS bias, dispersion, robust_dispersion,
           mean, n_galah, mean_galah, dispersion_galah
    FROM measured
    UNION ALL
    SELECT 'all clusters', 'feh', count(*), avg(mean - mean_galah),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY dispersion),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY robust_dispersion),
           NULL, CAST(sum(n_galah) AS bigint), NULL, NULL
    FROM measured
    HAVING count(*) > 0
) AS answer
ORDER BY mean IS NOT NULL, n DESC, subset
