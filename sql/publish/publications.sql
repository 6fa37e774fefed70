-- Purpose: All published versions, what validation said of each, and which were retracted
-- Parameters: none
-- Returns: version; run_id; n_rows; sha256 of the content; current; published_at; accepted_at; n_pass, n_warn, n_fail,
--     n_not_run checks; accepted_failures, accepted_reason, accepted_by; retracted_at, retracted_reason, retracted_by,
--     null for versions in service; dropped whether the tables of a retracted version are gone; reinstated_at,
--     reinstated_by, reinstated_reason for which it had been retracted, null for versions that never were
SELECT version, publication.run_id, n_rows, sha256, current, published_at, accepted_at, n_pass, n_warn, n_fail,
       n_not_run, COALESCE(accepted_failures, '[]') AS accepted_failures, accepted_reason, accepted_by,
       retraction.finished_at AS retracted_at, retraction.message AS retracted_reason,
       retraction.counts ->> 'by' AS retracted_by, COALESCE(retraction.counts ->> 'dropped' = 'true', false) AS dropped,
       reinstatement.finished_at AS reinstated_at, reinstatement.counts ->> 'by' AS reinstated_by,
       reinstatement.message AS reinstated_reason
FROM production.publication
-- A retraction is an entry of the run's ledger.
LEFT JOIN production.stage AS retraction
    ON retraction.run_id = publication.run_id AND retraction.name = 'retract-' || publication.version
-- One that is taken back becomes another entry.
LEFT JOIN production.stage AS reinstatement
    ON reinstatement.run_id = publication.run_id AND reinstatement.name = 'reinstate-' || publication.version
ORDER BY version
