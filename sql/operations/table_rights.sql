-- Purpose: Who may do what with each table and view of our schemas, owners left out.
-- Parameters: none.
-- Returns: schema; name; owner; grantee role, or PUBLIC; rights granted; is_partition true for parts of a table.
SELECT namespace.nspname AS schema, relation.relname AS name, pg_get_userbyid(relation.relowner) AS owner,
       CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee) END AS grantee,
       array_agg(acl.privilege_type ORDER BY acl.privilege_type) FILTER (WHERE acl.privilege_type IS NOT NULL) AS rights,
       relation.relispartition AS is_partition
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN LATERAL aclexplode(relation.relacl) AS acl ON acl.grantee <> relation.relowner
WHERE namespace.nspname IN ('survey', 'production', 'catalogue', 'tap_schema', 'service')
  AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
GROUP BY namespace.nspname, relation.relname, relation.relowner, acl.grantee, relation.relispartition
ORDER BY namespace.nspname, relation.relname;
