-- Claims events that are due and not blocked, oldest first. ?1: now, in ms; ?2: the maximum number of events that were
-- never replayed; ?3: the maximum number of replayed events. Live traffic and replays have an index each, so that
-- neither delays the search for the other.
UPDATE event SET active = 1, parked = NULL
WHERE id IN (SELECT id FROM (SELECT id FROM event
                             WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation = 1 AND run_after_ms <= ?1
                             ORDER BY run_after_ms, id LIMIT ?2)
             UNION ALL
             SELECT id FROM (SELECT id FROM event
                             WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation > 1 AND run_after_ms <= ?1
                             ORDER BY run_after_ms, id LIMIT ?3))
RETURNING id;
