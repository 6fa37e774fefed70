-- Purpose: The Gaia DR3 source of each cluster member that its list names by a DR2 id: ids are not the same in both
--          releases. Of several DR3 sources near a DR2 source the nearest counts; equally near ones are told apart by
--          the smaller difference of magnitudes, then by id, so that the choice never changes. Members without any
--          neighbour are left out; sql/selection/identified.sql counts them.
-- Parameters: release (text) key of the survey rows.
-- Returns: file_id, row_number of the member; release; gaia_release release of the source_id that was found; source_id;
--          angular_distance between the two sources, mas; n_neighbours DR3 sources near the DR2 source; n_claims DR2
--          ids among the members that are given this DR3 source.
WITH member AS (
    SELECT c.file_id, c.row_number, f.release, c.source_id AS dr2_source_id
    FROM survey.cluster_member c
    JOIN production.ingest_file f ON f.file_id = c.file_id
    WHERE f.release = :'release' AND f.status = 'complete' AND c.gaia_release = 'dr2'
), neighbour AS (
    -- Two downloads may hold the same pair.
    SELECT DISTINCT ON (n.dr2_source_id, n.dr3_source_id)
        n.dr2_source_id, n.dr3_source_id, n.angular_distance, abs(n.magnitude_difference) AS magnitude_difference
    FROM survey.dr2_neighbour n
    JOIN production.ingest_file f ON f.file_id = n.file_id
    WHERE f.release = :'release' AND f.status = 'complete'
      AND n.dr2_source_id IN (SELECT dr2_source_id FROM member)
    ORDER BY n.dr2_source_id, n.dr3_source_id, n.angular_distance NULLS LAST, n.file_id, n.row_number
), nearest AS (
    SELECT DISTINCT ON (dr2_source_id)
        dr2_source_id, dr3_source_id, angular_distance, count(*) OVER (PARTITION BY dr2_source_id) AS n_neighbours
    FROM neighbour
    ORDER BY dr2_source_id, angular_distance NULLS LAST, magnitude_difference NULLS LAST, dr3_source_id
), claim AS (
    SELECT dr3_source_id, count(*) AS n_claims
    FROM nearest
    GROUP BY dr3_source_id
)
SELECT
    m.file_id, m.row_number, m.release, 'dr3' AS gaia_release, n.dr3_source_id AS source_id,
    n.angular_distance, n.n_neighbours, c.n_claims
FROM member m
JOIN nearest n ON n.dr2_source_id = m.dr2_source_id
JOIN claim c ON c.dr3_source_id = n.dr3_source_id
ORDER BY m.file_id, m.row_number;
