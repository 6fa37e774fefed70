-- Purpose: What the account of the connection may do with our roles.
-- Parameters: names (text[]) of the roles.
-- Returns: name; is_there; usable true when the account may act as it; grantable true when the account may make it, or
--     grant itself what is missing; in the order of names.
SELECT wanted.name, role.oid IS NOT NULL AS is_there,
       coalesce(pg_has_role(session_user, role.oid, able.word), false) AS usable,
       account.rolsuper
           OR CASE WHEN role.oid IS NULL THEN account.rolcreaterole
                   ELSE pg_has_role(session_user, role.oid, 'MEMBER WITH ADMIN OPTION')
                        OR (account.rolcreaterole AND able.word = 'MEMBER')
              END AS grantable
FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS wanted(name, place)
CROSS JOIN pg_roles AS account
-- Before PostgreSQL 16, every member may act as the role, and CREATEROLE is enough to grant it.
CROSS JOIN (SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS able(word)
LEFT JOIN pg_roles AS role ON role.rolname = wanted.name
WHERE account.rolname = session_user
ORDER BY wanted.place;
