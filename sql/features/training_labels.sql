-- Purpose: APOGEE labels of a run's training sample (paper Sect. 2.4), in the order of source_id
-- Parameters: run_id (bigint) run that selected the samples; release (text) key of the survey rows
-- Returns: source_id; teff K; logg dex; m_h, alpha_m, fe_h dex; a missing label is NaN
SELECT s.source_id,
       coalesce(a.teff, 'NaN') AS teff, coalesce(a.logg, 'NaN') AS logg, coalesce(a.m_h, 'NaN') AS m_h,
       coalesce(a.alpha_m, 'NaN') AS alpha_m, coalesce(a.fe_h, 'NaN') AS fe_h
FROM production.sample_star AS s
LEFT JOIN production.ingest_file AS f ON f.file_id = s.apogee_file_id AND f.release = :'release' AND f.status = 'complete'
LEFT JOIN survey.apogee_star AS a ON a.file_id = f.file_id AND a.row_number = s.apogee_row
WHERE s.run_id = :run_id AND s.role = 'training'
ORDER BY s.source_id
