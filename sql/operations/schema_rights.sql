-- Purpose: Who may do what with each of our schemas, owners left out.
-- Parameters: none.
-- Returns: schema; grantee role, or PUBLIC; rights granted.
SELECT namespace.nspname AS schema,
       CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee) END AS grantee,
       array_agg(acl.privilege_type ORDER BY acl.privilege_type) AS rights
FROM pg_namespace AS namespace
CROSS JOIN LATERAL aclexplode(namespace.nspacl) AS acl
WHERE namespace.nspname IN ('survey', 'production', 'catalogue', 'tap_schema', 'service')
  AND acl.grantee <> namespace.nspowner
GROUP BY namespace.nspname, acl.grantee
ORDER BY namespace.nspname;
