-- Purpose: What places in frozen maps depend on beside the maps: the stars of a run's samples and the files of their
--   spectra
-- Parameters: run_id (bigint) run; release (text) key of the survey rows
-- Returns: n stars; n_training of them; stars a sum over hashes of stars and roles; files SHA-256 of the spectra's files
SELECT count(*) AS n,
       count(*) FILTER (WHERE role = 'training') AS n_training,
       CAST(sum(hashint8extended(source_id, CASE role WHEN 'training' THEN 1 ELSE 0 END)) AS text) AS stars,
       (
           SELECT COALESCE(string_agg(file.sha256, ',' ORDER BY file.sha256), '')
           FROM production.ingest_file AS file
           WHERE file.release = :'release' AND file.product = 'rvs_mean_spectrum' AND file.status = 'complete'
       ) AS files
FROM production.sample_star
WHERE run_id = :run_id AND role <> 'rejected'
