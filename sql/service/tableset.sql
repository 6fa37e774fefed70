-- Purpose: Every published table with its columns and foreign keys, one row a table, as /tables of the service tells them.
-- Parameters: none.
-- Returns: schema_name; schema_description; table_name qualified; table_type table or view; description; columns list of
--          [name, datatype, arraysize, xtype, unit, ucd, utype, description, indexed, principal, std]; keys list of
--          [target table, description, utype, [[from column, target column], …]].
SELECT s.schema_name, s.description AS schema_description, t.table_name, t.table_type, t.description,
       (
           SELECT coalesce(jsonb_agg(jsonb_build_array(
               c.column_name, c.datatype, c.arraysize, c.xtype, c.unit, c.ucd, c.utype, c.description,
               c.indexed = 1, c.principal = 1, c.std = 1
           ) ORDER BY c.column_index), '[]')
           FROM tap_schema.columns c
           WHERE c.table_name = t.table_name
       ) AS columns,
       (
           SELECT coalesce(jsonb_agg(jsonb_build_array(
               k.target_table, k.description, k.utype,
               (
                   SELECT jsonb_agg(jsonb_build_array(p.from_column, p.target_column) ORDER BY p.from_column)
                   FROM tap_schema.key_columns p
                   WHERE p.key_id = k.key_id
               )
           ) ORDER BY k.key_id), '[]')
           FROM tap_schema.keys k
           WHERE k.from_table = t.table_name
       ) AS keys
FROM tap_schema.schemas s
JOIN tap_schema.tables t USING (schema_name)
ORDER BY s.schema_index, s.schema_name, t.table_index, t.table_name;
