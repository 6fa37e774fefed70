-- Purpose: Result of a study of an ensemble, if it was made with these settings
-- Parameters: ensemble_id (bigint) ensemble; name (text) study; settings_key (text) key of settings and ensemble files
-- Returns: counts figures that sum it up; notes sentences
SELECT counts, notes
FROM production.study
WHERE ensemble_id = :ensemble_id AND name = :'name' AND settings_key = :'settings_key'
