-- Purpose: Which table the published view of the extended catalogue shows: one of a version, which never changes.
-- Parameters: none.
-- Returns: identifier of the table in this database; table_name, ending in the version; release of its rows.
SELECT c.oid::bigint AS identifier, c.relname AS table_name,
       (SELECT release FROM catalogue.rvs_cnn_extended LIMIT 1) AS release
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND c.oid = d.refobjid
WHERE r.ev_class = 'catalogue.rvs_cnn_extended'::regclass AND c.oid <> r.ev_class
LIMIT 1;
