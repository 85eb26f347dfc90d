-- Stops events that wait; each keeps its place in its lines. What is in the air is left alone.
-- ?1: JSON array of event ids.
UPDATE event SET status = 'held', reason = 'held by an operator'
WHERE id IN (SELECT j.value FROM json_each(?1) AS j) AND status = 'pending' AND in_air = 0;
