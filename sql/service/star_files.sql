-- Purpose: The survey files that hold a star's rows.
-- Parameters: release (text) key of the survey rows; source_id (bigint) star.
-- Returns: survey table name; row_number in the file, null where rows are known by source_id; name, product, sha256,
--          ingested_at of the file.
WITH star AS (
    SELECT 1 AS place, 'gaia_source' AS survey, file_id, CAST(NULL AS integer) AS row_number
    FROM survey.gaia_source WHERE release = :'release' AND source_id = :source_id
    UNION ALL
    SELECT 2, 'rvs_spectrum', file_id, NULL
    FROM survey.rvs_spectrum WHERE release = :'release' AND source_id = :source_id
    UNION ALL
    SELECT 3, 'xp_coefficients', file_id, NULL
    FROM survey.xp_coefficients WHERE release = :'release' AND source_id = :source_id
    UNION ALL
    SELECT 4, 'astrophysical_parameters', file_id, NULL
    FROM survey.astrophysical_parameters WHERE release = :'release' AND source_id = :source_id
    UNION ALL
    SELECT 5, 'apogee_star', file_id, row_number FROM survey.apogee_star WHERE gaiaedr3_source_id = :source_id
    UNION ALL
    SELECT 6, 'galah_star', file_id, row_number FROM survey.galah_star WHERE dr3_source_id = :source_id
    UNION ALL
    SELECT 7, 'k2gap_star', file_id, row_number
    FROM production.k2gap_match WHERE release = :'release' AND source_id = :source_id
    UNION ALL
    SELECT 8, 'cluster_member', file_id, row_number
    FROM survey.cluster_member WHERE source_id = :source_id AND gaia_release = 'dr3'
    UNION ALL
    SELECT 8, 'cluster_member', file_id, row_number
    FROM production.cluster_match WHERE release = :'release' AND source_id = :source_id
    UNION ALL
    SELECT 9, 'starhorse_distance', file_id, row_number FROM survey.starhorse_distance WHERE source_id = :source_id
    UNION ALL
    SELECT 10, 'rvs_cnn_star', file_id, row_number FROM survey.rvs_cnn_star WHERE source_id = :source_id
    UNION ALL
    SELECT 11, 'mock_truth', file_id, row_number FROM survey.mock_truth WHERE source_id = :source_id
)
SELECT star.survey, star.row_number, f.name, f.product, f.sha256, f.ingested_at
FROM star
JOIN production.ingest_file f USING (file_id)
WHERE f.release = :'release' AND f.status = 'complete'
ORDER BY star.place, f.name, star.row_number;
