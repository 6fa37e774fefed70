-- Purpose: How the rows of surveys without identifiers of this release were given theirs: K2 stars by their catalogue's
--          id or by position, cluster members listed under a Gaia DR2 id through the DR2 neighbourhood.
-- Parameters: release (text) key of the survey rows.
-- Returns: survey table name; method catalogue, position, neighbourhood, or none; n_rows; n_ambiguous rows with more than
--          one candidate; n_disputed rows whose id is also that of another row (clusters), or whose catalogue's id is not
--          that of the nearest source (K2).
SELECT
    'k2gap_star' AS survey,
    CASE WHEN m.method IS NOT NULL THEN m.method WHEN k.gaia_source IS NOT NULL THEN 'catalogue' ELSE 'none' END AS method,
    count(*) AS n_rows,
    count(*) FILTER (WHERE m.n_candidates > 1) AS n_ambiguous,
    count(*) FILTER (WHERE m.source_id <> m.nearest_source_id) AS n_disputed
FROM survey.k2gap_star k
JOIN production.ingest_file f ON f.file_id = k.file_id AND f.release = :'release' AND f.status = 'complete'
LEFT JOIN production.k2gap_match m ON m.file_id = k.file_id AND m.row_number = k.row_number
GROUP BY 2
UNION ALL
SELECT
    'cluster_member',
    CASE WHEN m.source_id IS NULL THEN 'none' ELSE 'neighbourhood' END,
    count(*),
    count(*) FILTER (WHERE m.n_neighbours > 1),
    count(*) FILTER (WHERE m.n_claims > 1)
FROM survey.cluster_member c
JOIN production.ingest_file f ON f.file_id = c.file_id AND f.release = :'release' AND f.status = 'complete'
LEFT JOIN production.cluster_match m ON m.file_id = c.file_id AND m.row_number = c.row_number
WHERE c.gaia_release = 'dr2'
GROUP BY 2
ORDER BY survey DESC, method;
