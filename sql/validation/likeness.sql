-- Purpose: does digit 8 of flag_boundary find the stars that the training sample lacks? Synthetic sky only, by kind
--     of star
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; training_share_min (real) a kind with a
--     smaller share of the training sample counts as absent from it
-- Returns: subset kind of star, or completeness or purity of the digit; label always tsne; n observed stars of the
--     kind (completeness over stars of absent kinds, purity over stars with the digit); bias always null; dispersion
--     always null; robust_dispersion always null; training training stars of the kind; flagged observed stars with
--     the digit; fraction flagged share (completeness and purity themselves); absent whether the kind counts as
--     absent from the training sample
WITH truth AS (
    SELECT DISTINCT ON (truth.source_id) truth.source_id, truth.kind
    FROM survey.mock_truth truth
    JOIN production.ingest_file file ON file.file_id = truth.file_id
    WHERE file.release = :'release'
      AND file.status = 'complete'
    ORDER BY truth.source_id, truth.file_id, truth.row_number
), kind AS (
    SELECT truth.kind,
           count(*) FILTER (WHERE star.role = 'training') AS training,
           count(*) FILTER (WHERE star.role = 'observed') AS observed,
           count(*) FILTER (WHERE star.role = 'observed' AND star.flag_bits & 128 <> 0) AS flagged
    FROM production.labelled_star star
    JOIN truth USING (source_id)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.flag_bits IS NOT NULL
    GROUP BY truth.kind
), judged AS (
    SELECT kind.*, training < :training_share_min * sum(training) OVER () AS absent
    FROM kind
), answer (number, subset, n, training, flagged, fraction, absent) AS (
    SELECT 3, kind, observed, training, flagged, CAST(flagged AS double precision) / NULLIF(observed, 0), absent
    FROM judged
    UNION ALL
    SELECT 1, 'completeness', CAST(sum(observed) AS bigint), CAST(sum(training) AS bigint), CAST(sum(flagged) AS bigint),
           CAST(sum(flagged) / NULLIF(sum(observed), 0) AS double precision), TRUE
    FROM judged WHERE absent HAVING sum(observed) > 0
    UNION ALL
    SELECT 2, 'purity', CAST(sum(flagged) AS bigint), NULL, CAST(sum(flagged) FILTER (WHERE absent) AS bigint),
           CAST(COALESCE(sum(flagged) FILTER (WHERE absent), 0) / NULLIF(sum(flagged), 0) AS double precision), NULL
    FROM judged HAVING sum(flagged) > 0
)
SELECT subset, 'tsne' AS label, n, CAST(NULL AS double precision) AS bias, CAST(NULL AS double precision) AS dispersion,
       CAST(NULL AS double precision) AS robust_dispersion, training, flagged, fraction, absent
FROM answer
ORDER BY number, n DESC, subset
