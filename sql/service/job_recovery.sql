-- Purpose: Put jobs that a stopped service left behind back into the queue; those that were begun too often fail.
-- Parameters: service_id (text) the data folder's service; max_attempts (integer) how often a job is begun at most.
-- Returns: job_id of each job in the queue, the oldest first.
WITH failed AS (
    UPDATE service.job
    SET phase = 'ERROR', ended = clock_timestamp(), error_status = 500,
        error_message = 'The service was stopped while the query ran, more than once.'
    WHERE service_id = :'service_id' AND phase = 'EXECUTING' AND attempts >= :max_attempts
),
queued AS (
    UPDATE service.job
    SET phase = 'QUEUED', started = NULL
    WHERE service_id = :'service_id' AND phase IN ('EXECUTING', 'QUEUED')
      AND NOT (phase = 'EXECUTING' AND attempts >= :max_attempts)
    RETURNING job_id, created
)
SELECT job_id FROM queued ORDER BY created;
