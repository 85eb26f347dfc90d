-- Holds pending events; each keeps its position in its queues. An active event without a request in flight is taken
-- from the daemon; one with a request in flight is not changed.
-- ?2: JSON array of event ids. Returns the ids of the held events.
UPDATE event SET status = 'held', reason_code = 'held', reason = 'held by an operator', active = 0
WHERE id IN (SELECT j.value FROM json_each(?2) AS j) AND status = 'pending'
  AND NOT (active = 1 AND EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                                  WHERE d.event_id = event.id AND a.ended_ms IS NULL))
RETURNING id;
