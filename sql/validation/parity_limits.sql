-- Purpose: effective range of the training sample as the flag uses it (Table 1)
-- Parameters: run_id (bigint) run with flags
-- Returns: name quantity and end of its range; value limit, null as long as the flag is not computed
SELECT quantity.name || '_' || bound.name AS name,
       CAST(CASE bound.name WHEN 'lower' THEN boundary.lower ELSE boundary.upper END AS double precision) AS value
FROM (VALUES ('teff'), ('logg'), ('mh'), ('alpham'), ('feh'), ('g'), ('parallax')) AS quantity (name)
CROSS JOIN (VALUES ('lower'), ('upper')) AS bound (name)
LEFT JOIN production.boundary_limit AS boundary ON boundary.run_id = :run_id AND boundary.quantity = quantity.name
