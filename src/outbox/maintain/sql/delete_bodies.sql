-- Deletes the bodies of delivered and skipped events; their history stays. ?1: JSON array of event ids.

DELETE FROM payload WHERE event_id IN (SELECT j.value FROM json_each(?1) AS j);

UPDATE delivery SET request = NULL
WHERE event_id IN (SELECT j.value FROM json_each(?1) AS j) AND request IS NOT NULL;
