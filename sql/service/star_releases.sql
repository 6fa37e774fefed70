-- Purpose: Releases that know a star, and the latest run of each.
-- Parameters: source_id (bigint) star.
-- Returns: release; run_id of its latest run that is not superseded, null when there is none.
SELECT known.release, (SELECT max(run_id) FROM production.run r WHERE r.release = known.release AND r.status <> 'superseded') AS run_id
FROM (SELECT DISTINCT release FROM production.ingest_file WHERE status = 'complete') known
WHERE EXISTS (SELECT FROM survey.gaia_source g WHERE g.release = known.release AND g.source_id = :source_id)
   OR EXISTS (SELECT FROM survey.rvs_spectrum s WHERE s.release = known.release AND s.source_id = :source_id)
ORDER BY known.release;
