-- Purpose: does digit 8 of flag_boundary find the stars that the training sample lacks, and does its companion, the distance
--     to the nearest training spectrum? Synthetic sky only, by kind of star
-- Parameters: run_id (bigint) run; release (text) key of the survey rows; training_share_min (real) a kind with a
--     smaller share of the training sample counts as absent from it
-- Returns: subset kind of star, or completeness or purity; label tsne for digit 8, pca for its companion; n observed
--     stars of the kind (completeness over stars of absent kinds, purity over stars that are unlike); bias always null;
--     dispersion always null; robust_dispersion always null; training training stars of the kind; flagged observed stars
--     that are unlike; fraction flagged share (completeness and purity themselves); absent whether the kind counts as
--     absent from the training sample
WITH kind AS (
    SELECT method.name AS label, truth.kind,
           count(*) FILTER (WHERE star.role = 'training') AS training,
           count(*) FILTER (WHERE star.role = 'observed') AS observed,
           count(*) FILTER (WHERE star.role = 'observed' AND method.unlike) AS flagged
    FROM production.labelled_star star
    JOIN survey.true_star truth USING (release, source_id)
    LEFT JOIN production.training_distance companion USING (run_id, source_id)
    CROSS JOIN LATERAL (VALUES
        ('tsne', star.flag_bits & 128 <> 0), ('pca', companion.outside)
    ) AS method (name, unlike)
    WHERE star.run_id = :run_id
      AND star.release = :'release'
      AND star.flag_bits IS NOT NULL
      AND method.unlike IS NOT NULL
    GROUP BY method.name, truth.kind
), judged AS (
    SELECT kind.*, training < :training_share_min * sum(training) OVER (PARTITION BY label) AS absent
    FROM kind
), answer (number, subset, label, n, training, flagged, fraction, absent) AS (
    SELECT 3, kind, label, observed, training, flagged, CAST(flagged AS double precision) / NULLIF(observed, 0), absent
    FROM judged
    UNION ALL
    SELECT 1, 'completeness', label, CAST(sum(observed) AS bigint), CAST(sum(training) AS bigint),
           CAST(sum(flagged) AS bigint), CAST(sum(flagged) / NULLIF(sum(observed), 0) AS double precision), TRUE
    FROM judged WHERE absent GROUP BY label HAVING sum(observed) > 0
    UNION ALL
    SELECT 2, 'purity', label, CAST(sum(flagged) AS bigint), NULL, CAST(sum(flagged) FILTER (WHERE absent) AS bigint),
           CAST(COALESCE(sum(flagged) FILTER (WHERE absent), 0) / NULLIF(sum(flagged), 0) AS double precision), NULL
    FROM judged GROUP BY label HAVING sum(flagged) > 0
)
SELECT subset, label, n, CAST(NULL AS double precision) AS bias, CAST(NULL AS double precision) AS dispersion,
       CAST(NULL AS double precision) AS robust_dispersion, training, flagged, fraction, absent
FROM answer
ORDER BY number, subset, label DESC
