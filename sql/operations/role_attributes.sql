-- Purpose: What our roles are beyond their rights on tables.
-- Parameters: names (text[]) of the roles.
-- Returns: name; powers such as SUPERUSER that it has; member_of other roles whose rights it has; usable true when this
--     account of the connection may act as it; account.
SELECT role.rolname AS name,
       array_remove(ARRAY[CASE WHEN role.rolsuper THEN 'SUPERUSER' END, CASE WHEN role.rolcreaterole THEN 'CREATEROLE' END,
                          CASE WHEN role.rolcreatedb THEN 'CREATEDB' END, CASE WHEN role.rolbypassrls THEN 'BYPASSRLS' END,
                          CASE WHEN role.rolreplication THEN 'REPLICATION' END, CASE WHEN role.rolcanlogin THEN 'LOGIN' END],
                    NULL) AS powers,
       ARRAY(SELECT pg_get_userbyid(member.roleid) FROM pg_auth_members AS member WHERE member.member = role.oid) AS member_of,
       -- From PostgreSQL 16 on, a member may have been granted all but this.
       pg_has_role(session_user, role.oid,
                   CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS usable,
       session_user AS account
FROM pg_roles AS role
WHERE role.rolname = ANY (:names);
