-- Purpose: Stars with an RVS spectrum for which APOGEE has more than one row: apogee_match.sql keeps one of them.
-- Parameters: release (text) key of the survey rows.
-- Returns: source_id; n_rows; apogee_ids the identifiers of its rows, the highest SNR first.
SELECT
    a.gaiaedr3_source_id AS source_id,
    count(*) AS n_rows,
    array_agg(a.apogee_id ORDER BY nullif(a.snr, 'NaN') DESC NULLS LAST, a.file_id, a.row_number) AS apogee_ids
FROM survey.apogee_star a
JOIN production.ingest_file f ON f.file_id = a.file_id
JOIN survey.rvs_spectrum s ON s.release = f.release AND s.source_id = a.gaiaedr3_source_id
WHERE f.release = :'release' AND f.status = 'complete'
GROUP BY a.gaiaedr3_source_id
HAVING count(*) > 1
ORDER BY a.gaiaedr3_source_id;
