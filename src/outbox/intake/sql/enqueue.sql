-- Adds the events just stored to the queues of their identifiers, behind the earlier events, sets their blocked_by, and
-- counts them. This is the second half of append.sql: between the two, `erase::add_identifiers` adds the other
-- identifiers of the person to each delete call. ?1: the JSON array that append.sql had as ?1.

INSERT INTO queue_entry (identifier, queue_pos, event_id)
SELECT i.identifier, e.queue_pos, e.id
FROM event AS e JOIN event_identifier AS i ON i.event_id = e.id
WHERE e.id > (SELECT value FROM counter WHERE name = 'last_id') AND e.status = 'pending';

UPDATE event
SET blocked_by = (SELECT count(*) FROM queue_entry AS t
             WHERE t.event_id = event.id
               AND EXISTS (SELECT 1 FROM queue_entry AS p WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos))
WHERE id > (SELECT value FROM counter WHERE name = 'last_id');

UPDATE counter
SET value = value + (SELECT count(*) FROM event
                     WHERE id > (SELECT value FROM counter WHERE name = 'last_id'))
WHERE name = 'accepted';

UPDATE counter SET value = value + json_array_length(?1) WHERE name = 'last_id';
