-- Purpose: Published versions in service that hold a star: those of runs that gave it labels and a flag.
-- Parameters: release (text) key of the survey rows; source_id (bigint) star.
-- Returns: version; run_id; is_current; published_at.
SELECT p.version, p.run_id, p.current AS is_current, p.published_at
FROM production.publication p
JOIN production.boundary b ON b.run_id = p.run_id AND b.source_id = :source_id AND b.release = :'release'
WHERE NOT EXISTS (SELECT FROM production.stage s WHERE s.run_id = p.run_id AND s.name = 'retract-' || p.version)
ORDER BY p.version;
