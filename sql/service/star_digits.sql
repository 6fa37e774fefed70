-- Purpose: What each digit of a star's flag means, in words.
-- Parameters: run_id (bigint); source_id (bigint) star.
-- Returns: digit 1 to 8; value (K, dex, mag, mas; for digit 8 the largest map distance in units of its limit), null where
--          it is not known; lower, upper limits of the training sample, null for digit 8; words.
SELECT digit.digit, digit.value, digit.lower, digit.upper,
       production.digit_words(
           digit.digit, substr(flag.flag_boundary, digit.digit, 1) = '1', digit.value, digit.lower, digit.upper, sample.role
       ) AS words
FROM production.boundary AS flag
JOIN production.sample_star AS sample ON sample.run_id = flag.run_id AND sample.source_id = flag.source_id
JOIN (
    SELECT run_id, source_id, digit, value, lower, upper FROM production.boundary_digit
    UNION ALL
    SELECT label.run_id, label.source_id, 8, star.ratio, NULL, NULL
    FROM production.label AS label
    LEFT JOIN production.likeness_star AS star ON star.run_id = label.run_id AND star.source_id = label.source_id
) AS digit ON digit.run_id = flag.run_id AND digit.source_id = flag.source_id
WHERE flag.run_id = :run_id AND flag.source_id = :source_id
ORDER BY digit.digit;
