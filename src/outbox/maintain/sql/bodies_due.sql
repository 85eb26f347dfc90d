-- Delivered and skipped events in the order they finished. ?1, ?2: finished_ms and id after which to continue; ?3:
-- finished before this, in ms; ?4: how many.
SELECT id, finished_ms FROM event
WHERE status IN ('delivered', 'skipped') AND finished_ms >= ?1 AND finished_ms < ?3 AND (finished_ms, id) > (?1, ?2)
ORDER BY finished_ms, id LIMIT ?4;
