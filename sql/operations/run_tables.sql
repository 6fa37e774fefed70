-- Purpose: Tables whose rows belong to a run, with what they take on disk.
-- Parameters: none.
-- Returns: name of the table with its schema; column that holds the run's number; bytes with indexes; rows estimated.
SELECT format('%I.%I', namespace.nspname, relation.relname) AS name, attribute.attname AS column,
       pg_total_relation_size(relation.oid) AS bytes, greatest(relation.reltuples, 0) AS rows
FROM pg_constraint AS reference
JOIN pg_class AS relation ON relation.oid = reference.conrelid
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum = reference.conkey[1]
WHERE reference.contype = 'f'
  AND reference.confrelid = CAST('production.run' AS regclass)
  AND reference.confdeltype = 'c'
ORDER BY name;
