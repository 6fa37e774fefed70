-- Purpose: which stars have labels in two catalogues, which in one alone and why, and which changed from one sample to the
--     other
-- Parameters: run_id (bigint) run; other_run_id (bigint) run that it is compared with, 0 for the published catalogue;
--     release (text) key of the survey rows
-- Returns: place both, this (labels in the run alone) or other (in the other catalogue alone); role, other_role training,
--     observed or rejected in each of the runs, null where the star is in no sample; cut first cut that rejected the star
--     where it has no labels, or, where its sample changed, that kept it from the training sample; n stars
WITH this AS (
    SELECT source_id FROM production.label WHERE run_id = :run_id
), other AS (
    SELECT source_id FROM production.label WHERE run_id = :other_run_id
    UNION ALL
    SELECT source_id FROM production.published_reference WHERE :other_run_id = 0 AND release = :'release'
), placed AS (
    SELECT source_id,
           CASE WHEN other.source_id IS NULL THEN 'this' WHEN this.source_id IS NULL THEN 'other' ELSE 'both' END AS place
    FROM this
    FULL JOIN other USING (source_id)
)
SELECT placed.place, sample.role, other_sample.role AS other_role,
       CASE WHEN placed.place = 'this' THEN other_sample.cut
            WHEN placed.place = 'other' THEN sample.cut
            WHEN sample.role = 'training' AND other_sample.role = 'observed' THEN other_sample.training_cut
            WHEN sample.role = 'observed' AND other_sample.role = 'training' THEN sample.training_cut END AS cut,
       count(*) AS n
FROM placed
LEFT JOIN production.sample_star AS sample ON sample.run_id = :run_id AND sample.source_id = placed.source_id
LEFT JOIN production.sample_star AS other_sample
    ON other_sample.run_id = :other_run_id AND other_sample.source_id = placed.source_id
GROUP BY 1, 2, 3, 4
ORDER BY array_position(ARRAY['both', 'this', 'other'], placed.place), n DESC, role, other_role, cut
