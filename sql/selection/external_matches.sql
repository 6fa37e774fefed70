-- Purpose: How many rows of each survey beyond Gaia and APOGEE a release holds, and how many of them belong to a star
--          with an RVS spectrum: by the source_id in the file, or by the one that was found for the row.
-- Parameters: release (text) key of the survey rows.
-- Returns: survey table name; n_rows; n_matched rows whose source_id has a spectrum; n_stars different stars among them;
--          n_unidentified rows for which no source_id of this release is known.
WITH external AS (
    SELECT 'galah_star' AS survey, file_id, dr3_source_id AS source_id FROM survey.galah_star
    UNION ALL
    SELECT 'k2gap_star', k.file_id, coalesce(k.gaia_source, m.source_id)
    FROM survey.k2gap_star k
    LEFT JOIN production.k2gap_match m USING (file_id, row_number)
    UNION ALL
    SELECT 'cluster_member', c.file_id, coalesce(m.source_id, CASE WHEN c.gaia_release = 'dr3' THEN c.source_id END)
    FROM survey.cluster_member c
    LEFT JOIN production.cluster_match m USING (file_id, row_number)
    UNION ALL
    SELECT 'starhorse_distance', file_id, source_id FROM survey.starhorse_distance
    UNION ALL
    SELECT 'rvs_cnn_star', file_id, source_id FROM survey.rvs_cnn_star
)
SELECT
    e.survey,
    count(*) AS n_rows,
    count(s.source_id) AS n_matched,
    count(DISTINCT s.source_id) AS n_stars,
    count(*) FILTER (WHERE e.source_id IS NULL) AS n_unidentified
FROM external e
JOIN production.ingest_file f ON f.file_id = e.file_id AND f.release = :'release' AND f.status = 'complete'
LEFT JOIN survey.rvs_spectrum s ON s.release = f.release AND s.source_id = e.source_id
GROUP BY e.survey
ORDER BY e.survey;
