-- Purpose: Asynchronous queries of a service that are past their time.
-- Parameters: service_id (text) of its data folder.
-- Returns: job_id.
SELECT job_id
FROM service.job
WHERE service_id = :'service_id' AND destruction <= clock_timestamp()
ORDER BY destruction;
