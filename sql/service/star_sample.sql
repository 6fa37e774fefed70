-- Purpose: A star's sample in a run, or the cut that rejected it, with the rules in words.
-- Parameters: run_id (bigint); source_id (bigint) star.
-- Returns: role training, observed or rejected; cut, cut_rule of the observed sample; training_cut, training_rule.
SELECT s.role, s.cut, o.rule AS cut_rule, s.training_cut, t.rule AS training_rule
FROM production.sample_star s
LEFT JOIN production.sample_funnel o ON o.run_id = s.run_id AND o.sample = 'observed' AND o.cut = s.cut
LEFT JOIN production.sample_funnel t ON t.run_id = s.run_id AND t.sample = 'training' AND t.cut = s.training_cut
WHERE s.run_id = :run_id AND s.source_id = :source_id;
