-- Purpose: What our roles are beyond their rights on tables.
-- Parameters: names (text[]) of the roles.
-- Returns: name; powers such as SUPERUSER that it has; member_of other roles whose rights it has; usable true when this
--     connection may take it on.
SELECT role.rolname AS name,
       array_remove(ARRAY[CASE WHEN role.rolsuper THEN 'SUPERUSER' END, CASE WHEN role.rolcreaterole THEN 'CREATEROLE' END,
                          CASE WHEN role.rolcreatedb THEN 'CREATEDB' END, CASE WHEN role.rolbypassrls THEN 'BYPASSRLS' END,
                          CASE WHEN role.rolreplication THEN 'REPLICATION' END, CASE WHEN role.rolcanlogin THEN 'LOGIN' END],
                    NULL) AS powers,
       ARRAY(SELECT pg_get_userbyid(member.roleid) FROM pg_auth_members AS member WHERE member.member = role.oid) AS member_of,
       pg_has_role(current_user, role.oid, 'MEMBER') AS usable
FROM pg_roles AS role
WHERE role.rolname = ANY (:names);
