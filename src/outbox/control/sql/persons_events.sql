-- All events of a person, and whether each is in flight or done. An event that names another userId is not an event of
-- this person.
-- ?1: JSON array of all identifiers of the person.
SELECT e.id,
       e.active = 1 AND EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                                WHERE d.event_id = e.id AND a.ended_ms IS NULL) AS in_flight,
       e.finished_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM queue_entry AS t WHERE t.event_id = e.id) AS done
FROM (SELECT DISTINCT i.event_id FROM json_each(?1) AS j JOIN event_identifier AS i ON i.identifier = j.value) AS of
JOIN event AS e ON e.id = of.event_id
WHERE NOT EXISTS (SELECT 1 FROM event_identifier AS f
                  WHERE f.event_id = e.id AND substr(f.identifier, 1, 5) = 'user:'
                    AND f.identifier NOT IN (SELECT value FROM json_each(?1)))
ORDER BY e.id;
