-- Deletes finished events that are older than retention allows, the oldest first, with their deliveries and attempts. A
-- dead event that others wait for stays. ?1: delivered and skipped events finished before this, in ms; ?2: dead events;
-- ?3: how many of each at most.
DELETE FROM event
WHERE id IN (SELECT id FROM (SELECT id FROM event
                             WHERE status IN ('delivered', 'skipped') AND finished_ms < ?1
                             ORDER BY finished_ms LIMIT ?3)
             UNION ALL
             SELECT id FROM (SELECT e.id FROM event AS e
                             WHERE e.status = 'dead' AND e.finished_ms < ?2
                               AND NOT EXISTS (SELECT 1 FROM queue_entry AS t WHERE t.event_id = e.id)
                             ORDER BY e.finished_ms LIMIT ?3));
