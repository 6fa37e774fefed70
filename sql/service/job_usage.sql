-- Purpose: What the jobs of a client, and of all clients, take.
-- Parameters: service_id (text) the data folder's service; client (text) address of the client.
-- Returns: n_jobs of the client; client_bytes of its uploads and results; all_bytes of those of all clients.
SELECT count(*) FILTER (WHERE client = :'client') AS n_jobs,
       coalesce(sum(n_bytes) FILTER (WHERE client = :'client'), 0)::bigint AS client_bytes,
       coalesce(sum(n_bytes), 0)::bigint AS all_bytes
FROM service.job
WHERE service_id = :'service_id';
