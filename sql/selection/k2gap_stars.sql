-- Purpose: All K2 stars of a release, with the Gaia id and the position that their catalogue gives.
-- Parameters: release (text) key of the survey rows.
-- Returns: file_id, row_number of the star; gaia_source Gaia EDR3 or DR3 id, null where there is none; ra, dec at the
--          catalogue's epoch, deg, null where there are none.
SELECT k.file_id, k.row_number, k.gaia_source, k.ra, k."dec"
FROM survey.k2gap_star k
JOIN production.ingest_file f ON f.file_id = k.file_id
WHERE f.release = :'release' AND f.status = 'complete'
ORDER BY k.file_id, k.row_number;
