-- Purpose: How many rows of each survey a release holds, and how many of them belong to a star with an RVS spectrum.
-- Parameters: release (text) key of the survey rows.
-- Returns: survey table name; n_rows; n_matched rows whose source_id has a spectrum; n_stars different stars among them.
WITH spectrum AS (
    SELECT source_id FROM survey.rvs_spectrum WHERE release = :'release'
)
SELECT 'rvs_spectrum' AS survey, count(*) AS n_rows, count(*) AS n_matched, count(*) AS n_stars
FROM spectrum
UNION ALL
SELECT 'gaia_source', count(*), count(s.source_id), count(s.source_id)
FROM survey.gaia_source g
LEFT JOIN spectrum s USING (source_id)
WHERE g.release = :'release'
UNION ALL
SELECT 'xp_coefficients', count(*), count(s.source_id), count(s.source_id)
FROM survey.xp_coefficients x
LEFT JOIN spectrum s USING (source_id)
WHERE x.release = :'release'
UNION ALL
SELECT 'astrophysical_parameters', count(*), count(s.source_id), count(s.source_id)
FROM survey.astrophysical_parameters p
LEFT JOIN spectrum s USING (source_id)
WHERE p.release = :'release'
UNION ALL
SELECT 'apogee_star', count(*), count(s.source_id), count(DISTINCT s.source_id)
FROM survey.apogee_star a
JOIN production.ingest_file f ON f.file_id = a.file_id
LEFT JOIN spectrum s ON s.source_id = a.gaiaedr3_source_id
WHERE f.release = :'release' AND f.status = 'complete';
