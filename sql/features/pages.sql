-- Purpose: Ranges of source_id that cut a run's samples into pages of equally many stars
-- Parameters: run_id (bigint) run that selected the samples; roles (text) samples as an array;
--             added (boolean) only stars that have come with the run, not those of its base;
--             page_size (int) stars a page
-- Returns: upto last source_id of the page; n stars in it
SELECT max(numbered.source_id) AS upto, count(*) AS n
FROM (
    SELECT source_id, (row_number() OVER (ORDER BY source_id) - 1) / :page_size AS page
    FROM production.sample_star
    WHERE run_id = :run_id AND role = ANY (CAST(:'roles' AS text[])) AND added >= CAST(:added AS boolean)
) AS numbered
GROUP BY numbered.page
ORDER BY upto
