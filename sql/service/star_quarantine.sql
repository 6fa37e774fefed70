-- Purpose: Rows of a star that were not taken over, under its Gaia identifier or one of its APOGEE identifiers.
-- Parameters: release (text) key of the survey rows; source_id (bigint) star.
-- Returns: name, product of the file; row_number in it, 1 is the first data row; rule that was broken; reason.
SELECT f.name, f.product, q.row_number, q.rule, q.reason
FROM production.quarantine q
JOIN production.ingest_file f USING (file_id)
WHERE f.release = :'release'
  AND f.status = 'complete'
  AND (q.identifier = CAST(CAST(:source_id AS bigint) AS text)
       OR q.identifier IN (SELECT apogee_id FROM survey.apogee_star WHERE gaiaedr3_source_id = :source_id))
ORDER BY f.product, f.name, q.row_number, q.rule;
