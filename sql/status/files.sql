-- Purpose: What was ingested for a release, by product.
-- Parameters: release (text) key of the survey rows.
-- Returns: product; files complete; refused; rows; quarantined; megabytes.
SELECT product,
       count(*) FILTER (WHERE status = 'complete') AS complete,
       count(*) FILTER (WHERE status = 'refused') AS refused,
       sum(n_rows) FILTER (WHERE status = 'complete') AS rows,
       sum(n_quarantined) FILTER (WHERE status = 'complete') AS quarantined,
       (sum(bytes) FILTER (WHERE status = 'complete') / 1e6)::real AS megabytes
FROM production.ingest_file
WHERE release = :'release'
GROUP BY product
ORDER BY product;
