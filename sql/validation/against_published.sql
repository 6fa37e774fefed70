-- Purpose: is the published catalogue there to compare with, and does it hold each star once?
-- Parameters: release (text) key of the survey rows
-- Returns: n_rows rows of its complete files; n_stars different source_id among them
SELECT count(*) AS n_rows, count(DISTINCT published.source_id) AS n_stars
FROM survey.rvs_cnn_star AS published
JOIN production.ingest_file AS file USING (file_id)
WHERE file.release = :'release'
  AND file.status = 'complete'
