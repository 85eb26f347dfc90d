-- The delete calls among the events just stored, each with its own identifiers.
SELECT e.id, (SELECT json_group_array(i.identifier) FROM event_identifier AS i WHERE i.event_id = e.id) AS named
FROM event AS e
WHERE e.id > (SELECT value FROM counter WHERE name = 'last_id') AND e.type = 'delete' AND e.status = 'pending'
ORDER BY e.id;
