-- Purpose: Training stars of a region of the Kiel diagram, by their APOGEE labels (paper Sect. 3.5, Figs. 9 and 10):
--          some of them, drawn by chance
-- Parameters: run_id (bigint) run that selected the sample; release (text) key of the survey rows;
--             teff_min, teff_max (float8) K; logg_min, logg_max, mh_min, mh_max, alpham_min, alpham_max, feh_min,
--             feh_max (float8) dex: both ends belong to the region, infinities leave it open;
--             stars (int) most stars to return; seed (bigint) of the draw
-- Returns: source_id in the order of the draw; n_found stars of the region
SELECT s.source_id, count(*) OVER () AS n_found
FROM production.sample_star AS s
JOIN production.ingest_file AS f ON f.file_id = s.apogee_file_id AND f.release = :'release' AND f.status = 'complete'
JOIN survey.apogee_star AS a ON a.file_id = f.file_id AND a.row_number = s.apogee_row
WHERE s.run_id = :run_id AND s.role = 'training'
  AND a.teff BETWEEN :teff_min AND :teff_max
  AND a.logg BETWEEN :logg_min AND :logg_max
  AND a.m_h BETWEEN :mh_min AND :mh_max
  AND a.alpha_m BETWEEN :alpham_min AND :alpham_max
  AND a.fe_h BETWEEN :feh_min AND :feh_max
-- The same seed draws the same stars on every machine.
ORDER BY md5(s.source_id || ':' || :seed), s.source_id
LIMIT :stars
