-- Purpose: the ensemble that gave a run's labels, and what training and prediction cost (Sect. 3.2)
-- Parameters: run_id (bigint) run with labels
-- Returns: name what is told; value number, or time in the unit of the name, null where it is not recorded
WITH ensemble AS (
    SELECT ensemble_id
    FROM production.label
    WHERE run_id = :run_id
    LIMIT 1
), member AS (
    SELECT count(*) AS members, avg(member.best_epoch) AS best_epoch, avg(member.wall_s) / 60 AS minutes_per_member,
           sum(member.wall_s) / 3600 AS hours
    FROM production.ensemble_member AS member
    JOIN ensemble USING (ensemble_id)
    WHERE member.kept
), prediction AS (
    -- Each run of the stage that labelled stars; the last one is this run's.
    SELECT stage.wall_s, CAST(stage.counts ->> 'labelled' AS double precision) AS stars,
           CAST(stage.counts ->> 'members' AS double precision) AS members
    FROM production.stage
    WHERE stage.run_id = :run_id
      AND stage.name = 'predict'
      AND stage.status = 'complete'
    ORDER BY stage.stage_id DESC
    LIMIT 1
)
SELECT name, CAST(value AS double precision) AS value
FROM member
LEFT JOIN prediction ON prediction.stars > 0 AND prediction.members > 0
CROSS JOIN LATERAL (VALUES
    ('members', NULLIF(member.members, 0)),
    ('best_epoch', best_epoch),
    ('minutes_per_member', minutes_per_member),
    ('training_hours', hours),
    ('prediction_ms_per_star', 1000 * wall_s / stars / prediction.members),
    ('prediction_minutes_per_member', wall_s / 60 / prediction.members),
    ('prediction_hours', wall_s / 3600)
) AS row (name, value)
