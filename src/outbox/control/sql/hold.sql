-- Stops events that wait; each keeps its place in its lines. What the daemon has taken and not sent is taken back; what
-- has a request in flight is left alone. ?1: JSON array of event ids. Answers those that it held.
UPDATE event SET status = 'held', reason = 'held by an operator', active = 0
WHERE id IN (SELECT j.value FROM json_each(?1) AS j) AND status = 'pending'
  AND NOT (active = 1 AND EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                                  WHERE d.event_id = event.id AND a.ended_ms IS NULL))
RETURNING id;
