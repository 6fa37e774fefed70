-- Purpose: Injected labels of some stars of a synthetic sky
-- Parameters: release (text) key of the survey rows; source_ids (bigint) stars as an array
-- Returns: source_id; teff K; logg, mh, alpham, feh dex
SELECT DISTINCT ON (t.source_id) t.source_id, t.teff, t.logg, t.mh, t.alpham, t.feh
FROM survey.mock_truth AS t
JOIN production.ingest_file AS f ON f.file_id = t.file_id AND f.release = :'release' AND f.status = 'complete'
WHERE t.source_id = ANY (CAST(:'source_ids' AS bigint[]))
ORDER BY t.source_id, t.file_id, t.row_number
