-- Purpose: the survey files that a run's catalogue rests on
-- Parameters: release (text) key of the survey rows
-- Returns: product survey product; n_files files; n_rows rows taken over; n_quarantined rows put aside; bytes size of
--     the files; first_name a file's name; first_sha256 its checksum; first_ingested, last_ingested when they were
--     read
SELECT product, count(*) AS n_files, sum(n_rows) AS n_rows, sum(n_quarantined) AS n_quarantined, sum(bytes) AS bytes,
       min(name) AS first_name, (array_agg(sha256 ORDER BY name))[1] AS first_sha256,
       min(ingested_at) AS first_ingested, max(ingested_at) AS last_ingested
FROM production.ingest_file
WHERE release = :'release'
  AND status = 'complete'
GROUP BY product
ORDER BY product
