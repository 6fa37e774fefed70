-- Purpose: The APOGEE row that a run uses for a star, and how many rows the star has.
-- Parameters: run_id (bigint); release (text) key of the survey rows; source_id (bigint) star.
-- Returns: apogee_id; telescope; field; snr; row_number; name of the file; n_rows of the star in this release.
SELECT a.apogee_id, a.telescope, a.field, a.snr, a.row_number, f.name,
       (SELECT count(*)
        FROM survey.apogee_star other
        JOIN production.ingest_file file ON file.file_id = other.file_id
        WHERE other.gaiaedr3_source_id = s.source_id AND file.release = :'release' AND file.status = 'complete') AS n_rows
FROM production.sample_star s
JOIN survey.apogee_star a ON a.file_id = s.apogee_file_id AND a.row_number = s.apogee_row
JOIN production.ingest_file f ON f.file_id = a.file_id
WHERE s.run_id = :run_id AND s.source_id = :source_id;
