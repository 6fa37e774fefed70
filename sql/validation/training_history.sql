-- Purpose: how each member of the run's ensemble was trained (Sect. 3.2)
-- Parameters: run_id (bigint) run
-- Returns: member number; split random split of the training sample; epochs trained; best_epoch epoch whose weights
--     were kept; val_loss lowest validation loss; history loss, val_loss and learning_rate of each epoch (jsonb)
SELECT member.member, member.split, member.epochs, member.best_epoch, member.val_loss, member.history
FROM production.ensemble_member member
WHERE member.ensemble_id = (SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1)
ORDER BY member.member
