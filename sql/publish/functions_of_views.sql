-- Purpose: Functions that a published view calls, which must be there before the view is brought into another database
-- Parameters: view (text) name of the view with its schema
-- Returns: schema of the function; definition that makes it again
SELECT DISTINCT space.nspname AS schema, pg_get_functiondef(function.oid) AS definition
FROM pg_rewrite AS rule
JOIN pg_depend AS needed ON needed.classid = 'pg_rewrite'::regclass AND needed.objid = rule.oid
JOIN pg_proc AS function ON needed.refclassid = 'pg_proc'::regclass AND function.oid = needed.refobjid
JOIN pg_namespace AS space ON space.oid = function.pronamespace
WHERE rule.ev_class = to_regclass(:'view') AND space.nspname <> 'pg_catalog'
ORDER BY 1, 2
