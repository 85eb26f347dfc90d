-- Requeues claimed events: they stay pending, and are not due before run_after_ms. An event with a request in flight is
-- not requeued: it has been claimed again in the meantime.
-- ?1: JSON array of {event_id, run_after_ms, parked}; parked: the family whose pause it waits for.
UPDATE event SET active = 0, run_after_ms = j.value ->> 'run_after_ms', parked = j.value ->> 'parked'
FROM json_each(?1) AS j
WHERE event.id = j.value ->> 'event_id' AND event.active = 1
  AND NOT EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                  WHERE d.event_id = event.id AND a.ended_ms IS NULL);
