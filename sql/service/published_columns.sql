-- Purpose: Every published table and column, as TAP_SCHEMA describes them.
-- Parameters: none.
-- Returns: table_name qualified name; column_name; datatype, arraysize as in VOTable; unit VOUnit; ucd; description.
SELECT t.table_name, c.column_name, c.datatype, c.arraysize, c.unit, c.ucd, c.description
FROM tap_schema.tables t
JOIN tap_schema.columns c USING (table_name)
ORDER BY t.table_index, t.table_name, c.column_index;
