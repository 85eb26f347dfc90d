-- Lets held events go again, and those that wait for another attempt at once. ?1: now, in ms; ?2: JSON array of event ids.
-- What is paused is tried at once. Answers those that it released.
DELETE FROM pause;

UPDATE event SET status = 'pending', reason = NULL, run_after_ms = min(run_after_ms, ?1)
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND status IN ('held', 'pending') AND active = 0
RETURNING id;
