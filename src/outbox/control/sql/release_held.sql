-- Releases held events, and makes pending events that are backing off due now. Removes all pauses, so that the daemon
-- sends again at once.
-- ?1: now, in ms; ?2: JSON array of event ids. Returns the ids of the released events.
DELETE FROM pause;

UPDATE event SET status = 'pending', reason = NULL, reason_code = NULL, run_after_ms = min(run_after_ms, ?1)
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND status IN ('held', 'pending') AND active = 0
RETURNING id;
