-- The finished events of a person. An event that names another userId is not an event of this person. An event that
-- still blocks others is not included: an operator replays or discards it first.
-- ?1: JSON array of all identifiers of the person; ?2: only events with a smaller queue_pos.
SELECT DISTINCT e.id
FROM json_each(?1) AS j
JOIN event_identifier AS i ON i.identifier = j.value
JOIN event AS e ON e.id = i.event_id AND e.finished_ms IS NOT NULL AND e.queue_pos < ?2
WHERE NOT EXISTS (SELECT 1 FROM queue_entry AS t WHERE t.event_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM event_identifier AS f
                  WHERE f.event_id = e.id AND substr(f.identifier, 1, 5) = 'user:'
                    AND f.identifier NOT IN (SELECT value FROM json_each(?1)))
ORDER BY e.id;
