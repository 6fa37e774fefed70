-- Purpose: The one APOGEE row of each Gaia source (Sect. 2.4). Of several rows for a source the one with the highest
--          SNR counts; equal ones are told apart by file and row, so that the choice never changes.
-- Parameters: release (text) key of the survey rows.
-- Returns: source_id Gaia EDR3 identifier, the same as in DR3; file_id, row_number of the APOGEE row.
SELECT DISTINCT ON (a.gaiaedr3_source_id)
    a.gaiaedr3_source_id AS source_id,
    a.file_id,
    a.row_number
FROM survey.apogee_star a
JOIN production.ingest_file f ON f.file_id = a.file_id
WHERE f.release = :'release' AND f.status = 'complete' AND a.gaiaedr3_source_id IS NOT NULL
ORDER BY a.gaiaedr3_source_id, nullif(a.snr, 'NaN') DESC NULLS LAST, a.file_id, a.row_number;
