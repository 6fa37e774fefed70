-- Purpose: how each member of the run's ensemble was trained, those included that were dropped (Sect. 3.2)
-- Parameters: run_id (bigint) run
-- Returns: member number; split random split of the training sample; epochs trained; best_epoch epoch whose weights
--     were kept; val_loss its validation loss; attempt seeds that had diverged before; kept false for members that the
--     ensemble does not average over; history loss, val_loss and learning_rate of each epoch (jsonb)
SELECT member.member, member.split, member.epochs, member.best_epoch, member.val_loss, member.attempt, member.kept,
       member.history
FROM production.ensemble_member member
WHERE member.ensemble_id = (SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1)
ORDER BY member.member
