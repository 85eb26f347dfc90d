-- Klaviyo knows an event by its profile, metric and `unique_id`: two people whose orders carry one number have two orders.
-- So the ledger knows a `$event_id` by each of the identifiers that its request names the person by.

-- Who a request of an event names, one row per identifier; the empty text where it names nobody.
CREATE VIEW delivery_people AS
SELECT d.id AS delivery_id,
       coalesce(a.key || ':' || iif(a.key = 'email', lower(trim(a.value)), a.value), '') AS person
FROM delivery AS d
LEFT JOIN json_each(d.request, '$.data.attributes.profile.data.attributes') AS a
  ON a.key IN ('email', 'phone_number', 'external_id', 'anonymous_id') AND a.type = 'text'
WHERE d.event_key IS NOT NULL;

INSERT INTO writing (id) VALUES (1);

DROP TRIGGER key_of_a_removed_delivery;
ALTER TABLE sent_key RENAME TO sent_key_of_all;

-- The ledger: which delivery owns a metric and `$event_id` of a person at a destination. A row that was erased names the
-- delivery instead of the person.
CREATE TABLE sent_key (
    sent_to     TEXT NOT NULL,
    metric      TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    person      TEXT NOT NULL,
    delivery_id INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (sent_to, metric, event_key, person)
) STRICT, WITHOUT ROWID;

-- Where the body is gone, the event's identifiers tell whom it named: by its user id, e-mail and phone, and by the
-- anonymous id only where there is nothing else.
INSERT OR IGNORE INTO sent_key (sent_to, metric, event_key, person, delivery_id, at_ms)
WITH named AS (
    SELECT p.delivery_id, p.person FROM delivery_people AS p WHERE p.person <> ''
    UNION ALL
    SELECT d.id, CASE substr(i.identifier, 1, instr(i.identifier, ':') - 1)
                     WHEN 'email' THEN 'email' WHEN 'phone' THEN 'phone_number' ELSE 'external_id'
                 END || substr(i.identifier, instr(i.identifier, ':'))
    FROM delivery AS d JOIN event_identifier AS i ON i.event_id = d.event_id
    WHERE d.request IS NULL
      AND (i.identifier NOT GLOB 'anonymous:*'
           OR NOT EXISTS (SELECT 1 FROM event_identifier AS o
                          WHERE o.event_id = d.event_id AND o.identifier NOT GLOB 'anonymous:*')))
SELECT k.sent_to, k.metric, k.event_key, coalesce(n.person, ''), k.delivery_id, k.at_ms
FROM sent_key_of_all AS k LEFT JOIN named AS n ON n.delivery_id = k.delivery_id;

DROP TABLE sent_key_of_all;

CREATE TRIGGER key_of_a_removed_delivery AFTER DELETE ON delivery BEGIN
    DELETE FROM sent_key
    WHERE sent_to = old.sent_to AND metric = old.metric AND event_key = old.event_key AND delivery_id = old.id;
END;

-- The event whose delivery a request was a copy of; the event that a skipped one was a copy of; whether a replay sends
-- what was delivered as well.
ALTER TABLE delivery ADD COLUMN copy_of INTEGER;
ALTER TABLE event ADD COLUMN copy_of INTEGER;
ALTER TABLE event ADD COLUMN again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1));

-- How many copies are kept, beside the counts of the states.
INSERT INTO counter (name, value) VALUES ('copies', 0);
CREATE TRIGGER event_became_a_copy AFTER UPDATE OF copy_of ON event
WHEN (old.copy_of IS NULL) <> (new.copy_of IS NULL) BEGIN
    UPDATE counter SET value = value + iif(new.copy_of IS NULL, -1, 1) WHERE name = 'copies';
END;
CREATE TRIGGER event_was_a_copy AFTER DELETE ON event WHEN old.copy_of IS NOT NULL BEGIN
    UPDATE counter SET value = value - 1 WHERE name = 'copies';
END;

DELETE FROM writing;

CREATE TRIGGER sent_key_guarded_insert BEFORE INSERT ON sent_key WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which `$event_id`s were sent is kept by klaviyo-relay; `klaviyo-relay replay` sends to another destination what went to this one');
END;
CREATE TRIGGER sent_key_guarded_update BEFORE UPDATE ON sent_key WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which `$event_id`s were sent is kept by klaviyo-relay; `klaviyo-relay replay` sends to another destination what went to this one');
END;
CREATE TRIGGER sent_key_guarded_delete BEFORE DELETE ON sent_key WHEN NOT EXISTS (SELECT 1 FROM writing) BEGIN
    SELECT RAISE(ABORT, 'which `$event_id`s were sent is kept by klaviyo-relay; `klaviyo-relay replay` sends to another destination what went to this one');
END;

DROP VIEW events;
CREATE VIEW events AS
SELECT
    e.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.received_ms / 1000.0, 'unixepoch') AS received_at,
    e.source,
    e.message_id,
    e.type,
    e.name,
    e.profile,
    e.status,
    e.reason,
    (SELECT count(*) FROM delivery d WHERE d.event_id = e.id AND d.cycle = e.cycle) AS deliveries,
    (SELECT count(*) FROM delivery d
      WHERE d.event_id = e.id AND d.cycle = e.cycle AND d.status IN ('delivered', 'duplicate')) AS delivered,
    (SELECT count(*) FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE d.event_id = e.id) AS attempts,
    CASE WHEN e.status = 'pending' AND e.ahead = 0 AND e.in_air = 0
         THEN strftime('%Y-%m-%dT%H:%M:%fZ', e.due_ms / 1000.0, 'unixepoch') END AS next_attempt_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.finished_ms / 1000.0, 'unixepoch') AS finished_at,
    e.order_id,
    e.copy_of,
    p.body AS payload
FROM event e LEFT JOIN payload p ON p.event_id = e.id;

CREATE TRIGGER events_guarded_insert INSTEAD OF INSERT ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;
CREATE TRIGGER events_guarded_update INSTEAD OF UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;
CREATE TRIGGER events_guarded_delete INSTEAD OF DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay`, `hold`, `release`, `discard` or `forget`');
END;

DROP VIEW deliveries;
CREATE VIEW deliveries AS
SELECT
    d.id,
    d.event_id,
    d.position,
    d.kind,
    d.metric,
    d.event_key AS event_id_key,
    d.status,
    d.reason,
    (SELECT count(*) FROM attempt a WHERE a.delivery_id = d.id) AS attempts,
    d.http_status,
    strftime('%Y-%m-%dT%H:%M:%fZ', d.delivered_ms / 1000.0, 'unixepoch') AS delivered_at,
    d.sent_to,
    d.copy_of,
    d.request
FROM delivery d;

CREATE TRIGGER deliveries_guarded_insert INSTEAD OF INSERT ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard` on the event');
END;
CREATE TRIGGER deliveries_guarded_update INSTEAD OF UPDATE ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard` on the event');
END;
CREATE TRIGGER deliveries_guarded_delete INSTEAD OF DELETE ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a view cannot be written: use `klaviyo-relay replay` or `discard` on the event');
END;

PRAGMA user_version = 13;
