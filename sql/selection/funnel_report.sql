-- Purpose: The funnel of a run beside the paper's counts: stars after each cut, the crossmatch with APOGEE before any
--          cut, and the samples. A count of the paper is compared only when the run has the paper's spectra: a
--          synthetic sky or a part of the release has nothing to be compared with.
-- Parameters: run_id (bigint) run whose samples are selected;
--             expected (text) the paper's counts by name and their tolerance as a JSON object, for instance
--             {"spectra": 999670, "apogee": 733901, "crossmatched": 207953, "catalogue": 886080, "training": 44780,
--             "observed": 841300, "training_metal_poor": 1578, "tolerance": 0.001}; {} compares nothing.
-- Returns: part observed, crossmatch, training or samples; step; cut; rule what is counted; n_removed; n;
--          stated_as name of the paper's count, null where it states none; paper that count, difference n less it and
--          percent of it, all null where the comparison does not apply;
--          comparison null, does not apply, within tolerance, or differs.
WITH run AS (
    SELECT run_id, release, profile ->> 'mock' IS NOT NULL AS is_synthetic, :'expected'::jsonb AS expected
    FROM production.run
    WHERE run_id = :run_id
), star AS (
    SELECT
        count(*) FILTER (WHERE s.apogee_row IS NOT NULL) AS n_crossmatched,
        count(*) FILTER (WHERE s.role = 'observed') AS n_observed,
        count(*) FILTER (WHERE s.role = 'training') AS n_training,
        count(*) FILTER (WHERE s.role = 'training' AND a.m_h < -1) AS n_metal_poor,
        count(*) FILTER (WHERE s.role = 'training' AND a.logg < 3.5) AS n_giants
    FROM production.sample_star s
    LEFT JOIN survey.apogee_star a
        ON s.role = 'training' AND a.file_id = s.apogee_file_id AND a.row_number = s.apogee_row
    WHERE s.run_id = :run_id
), apogee AS (
    SELECT count(*) AS n_rows
    FROM survey.apogee_star a
    JOIN production.ingest_file f ON f.file_id = a.file_id AND f.status = 'complete'
    JOIN run ON run.release = f.release
), line AS (
    SELECT sample AS part, step, cut, rule, CASE WHEN step > 0 THEN n_removed END AS n_removed, n_left AS n,
           CASE
               WHEN sample = 'observed' AND step = 0 THEN 'spectra'
               WHEN step < max(step) OVER (PARTITION BY sample) THEN NULL
               WHEN sample = 'observed' THEN 'catalogue'
               ELSE 'training'
           END AS stated_as
    FROM production.sample_funnel
    WHERE run_id = :run_id
    UNION ALL
    SELECT part, step, cut, rule, NULL, n, CASE WHEN cut <> 'giants' THEN cut END
    FROM star, apogee, LATERAL (VALUES
        ('crossmatch', 0, 'apogee', 'rows of APOGEE', n_rows),
        ('crossmatch', 1, 'crossmatched', 'stars with a spectrum and an APOGEE row, before any cut', n_crossmatched),
        ('samples', 0, 'observed', 'stars of the observed sample that are not in the training sample', n_observed),
        ('samples', 1, 'training_metal_poor', 'training stars with M_H < -1', n_metal_poor),
        ('samples', 2, 'giants',
         format('training stars with LOGG < 3.5: %s %%', round(100.0 * n_giants / nullif(n_training, 0), 1)), n_giants)
    ) AS counted (part, step, cut, rule, n)
), complete AS (
    SELECT run.expected, NOT run.is_synthetic
           AND abs(line.n - (run.expected ->> 'spectra')::numeric)
               <= (run.expected ->> 'tolerance')::numeric * (run.expected ->> 'spectra')::numeric AS applies
    FROM run
    JOIN line ON line.stated_as = 'spectra'
), stated AS (
    SELECT line.*, complete.expected, complete.applies IS TRUE AS applies,
           (complete.expected ->> line.stated_as)::bigint AS paper
    FROM line, complete
)
SELECT
    part, step, cut, rule, n_removed, n,
    CASE WHEN paper IS NOT NULL THEN stated_as END AS stated_as,
    CASE WHEN applies THEN paper END AS paper,
    CASE WHEN applies THEN n - paper END AS difference,
    CASE WHEN applies THEN round(100.0 * (n - paper) / paper, 3)::double precision END AS percent,
    CASE
        WHEN paper IS NULL THEN NULL
        WHEN NOT applies THEN 'does not apply'
        WHEN abs(n - paper) <= (expected ->> 'tolerance')::numeric * paper THEN 'within tolerance'
        ELSE 'differs'
    END AS comparison
FROM stated
ORDER BY array_position(ARRAY['observed', 'crossmatch', 'training', 'samples'], part), step;
