-- Purpose: sizes of the external surveys as they were read (Sects. 6.2 and 6.3)
-- Parameters: release (text) key of the survey rows
-- Returns: name survey; value its rows (stars for k2gap, which lists some in several campaigns), null where none was read
SELECT name, CAST(NULLIF(value, 0) AS double precision) AS value
FROM (
    SELECT (SELECT count(*) FROM survey.galah_star AS galah
            JOIN production.ingest_file AS file USING (file_id)
            WHERE file.release = :'release' AND file.status = 'complete') AS galah,
           (SELECT count(DISTINCT k2.epic) FROM survey.k2gap_star AS k2
            JOIN production.ingest_file AS file USING (file_id)
            WHERE file.release = :'release' AND file.status = 'complete') AS k2gap
) AS told
CROSS JOIN LATERAL (VALUES ('galah', galah), ('k2gap', k2gap)) AS row (name, value)
