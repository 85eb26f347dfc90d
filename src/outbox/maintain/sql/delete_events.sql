-- Removes finished events whose time is over, the oldest first, and with them what they sent. A dead one that others
-- wait behind stays. ?1: delivered and skipped ones finished before this, in ms; ?2: dead ones; ?3: how many of each at
-- most.
DELETE FROM event
WHERE id IN (SELECT id FROM (SELECT id FROM event
                             WHERE status IN ('delivered', 'skipped') AND finished_ms < ?1
                             ORDER BY finished_ms LIMIT ?3)
             UNION ALL
             SELECT id FROM (SELECT e.id FROM event AS e
                             WHERE e.status = 'dead' AND e.finished_ms < ?2
                               AND NOT EXISTS (SELECT 1 FROM queue_entry AS t WHERE t.event_id = e.id)
                             ORDER BY e.finished_ms LIMIT ?3));
