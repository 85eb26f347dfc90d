-- The contract: views that people and scripts read with `sqlite3 -readonly outbox.db`. Their names and columns change
-- only with a migration, a note in the documentation and one in CHANGELOG.md. `delivery_people` is private.

CREATE VIEW events AS
SELECT e.id, strftime('%Y-%m-%dT%H:%M:%fZ', e.received_ms / 1000.0, 'unixepoch') AS received_at,
       e.source, e.message_id, e.type, e.name, e.profile, e.status, e.reason, e.reason_code,
       (SELECT count(*) FROM delivery d WHERE d.event_id = e.id AND d.generation = e.generation) AS deliveries,
       (SELECT count(*) FROM delivery d WHERE d.event_id = e.id AND d.generation = e.generation
                                          AND d.status IN ('delivered', 'duplicate')) AS delivered,
       (SELECT count(*) FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE d.event_id = e.id) AS attempts,
       CASE WHEN e.status = 'pending' AND e.blocked_by = 0 AND e.active = 0
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', e.run_after_ms / 1000.0, 'unixepoch') END AS next_attempt_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', e.finished_ms / 1000.0, 'unixepoch') AS finished_at,
       e.order_id, e.copy_of, p.body AS payload
FROM event e LEFT JOIN payload p ON p.event_id = e.id;

CREATE VIEW deliveries AS
SELECT d.id, d.event_id, d.position, d.kind, d.metric, d.event_key AS event_id_key, d.status, d.reason, d.reason_code,
       (SELECT count(*) FROM attempt a WHERE a.delivery_id = d.id) AS attempts, d.http_status,
       strftime('%Y-%m-%dT%H:%M:%fZ', d.delivered_ms / 1000.0, 'unixepoch') AS delivered_at,
       d.sent_to, d.copy_of, d.request FROM delivery d;

CREATE VIEW attempts AS
SELECT a.delivery_id, a.number, strftime('%Y-%m-%dT%H:%M:%fZ', a.started_ms / 1000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.ended_ms / 1000.0, 'unixepoch') AS ended_at,
       a.ended_ms - a.started_ms AS duration_ms, a.http_status, a.outcome, a.error,
       a.request_id AS klaviyo_request_id, a.import_job, j.klaviyo_id AS klaviyo_job_id
FROM attempt a LEFT JOIN import_job j ON j.id = a.import_job;

CREATE VIEW dead_letters AS
SELECT e.id, strftime('%Y-%m-%dT%H:%M:%fZ', e.received_ms / 1000.0, 'unixepoch') AS received_at,
       e.source, e.message_id, e.type, e.name, e.profile, e.reason, e.reason_code,
       (SELECT a.error FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE d.event_id = e.id AND a.error IS NOT NULL
         ORDER BY a.started_ms DESC, d.id DESC, a.number DESC LIMIT 1) AS last_error,
       strftime('%Y-%m-%dT%H:%M:%fZ', e.finished_ms / 1000.0, 'unixepoch') AS finished_at
FROM event e WHERE e.status = 'dead';

-- One row per event that others wait for: the head of one or more queues.
CREATE VIEW blocked_profiles AS
WITH head AS (SELECT identifier, min(queue_pos) AS queue_pos FROM queue_entry GROUP BY identifier)
SELECT e.profile, e.id AS head_event, strftime('%Y-%m-%dT%H:%M:%fZ', e.received_ms / 1000.0, 'unixepoch') AS since,
       count(DISTINCT w.event_id) AS waiting,
       CASE WHEN e.status = 'held' THEN 'held by an operator'
            WHEN e.status = 'dead' THEN 'dead, and those behind it wait for replay or discard: ' || e.reason
            ELSE coalesce((SELECT a.error FROM delivery d JOIN attempt a ON a.delivery_id = d.id
                            WHERE d.event_id = e.id AND a.error IS NOT NULL
                            ORDER BY a.started_ms DESC, d.id DESC, a.number DESC LIMIT 1), 'not sent yet') END AS reason,
       coalesce(e.reason_code, (SELECT d.reason_code FROM delivery d WHERE d.event_id = e.id AND d.generation = e.generation
            AND d.reason_code IS NOT NULL AND d.status IN ('pending', 'unknown') ORDER BY d.position LIMIT 1)) AS reason_code,
       CASE WHEN e.status = 'pending' AND e.active = 0
            THEN strftime('%Y-%m-%dT%H:%M:%fZ', e.run_after_ms / 1000.0, 'unixepoch') END AS next_attempt_at
FROM head h JOIN queue_entry t ON t.identifier = h.identifier AND t.queue_pos = h.queue_pos
JOIN event e ON e.id = t.event_id AND e.blocked_by = 0
JOIN queue_entry w ON w.identifier = h.identifier AND w.queue_pos > h.queue_pos GROUP BY e.id;

CREATE VIEW backlog AS
WITH waiting AS (SELECT status, type, received_ms,
                        (CAST(strftime('%s', 'now') AS INTEGER) * 1000 - received_ms) / 60000 AS minutes
                 FROM event WHERE finished_ms IS NULL)
SELECT status, type, count(*) AS count,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(received_ms) / 1000.0, 'unixepoch') AS oldest,
       sum(minutes < 1) AS under_1m, sum(minutes >= 1 AND minutes < 10) AS under_10m,
       sum(minutes >= 10 AND minutes < 60) AS under_1h, sum(minutes >= 60 AND minutes < 1440) AS under_1d,
       sum(minutes >= 1440) AS older FROM waiting GROUP BY status, type;

-- Accepted is counted when events arrive, the others from their rows and from what retention removed: two independent
-- counts whose difference is 0.
CREATE VIEW audit AS
WITH now AS (
    SELECT (SELECT value FROM counter WHERE name = 'accepted') AS accepted,
           (SELECT value FROM counter WHERE name = 'pruned_delivered') + sum(status = 'delivered') AS delivered,
           (SELECT value FROM counter WHERE name = 'pruned_skipped') + sum(status = 'skipped') AS skipped,
           (SELECT value FROM counter WHERE name = 'pruned_dead') + sum(status = 'dead') AS dead,
           sum(status = 'pending') AS pending, sum(status = 'held') AS held
    FROM (SELECT status FROM event UNION ALL SELECT ''))
SELECT accepted, delivered, skipped, dead, pending, held,
       accepted - delivered - skipped - dead - pending - held AS difference FROM now;

CREATE VIEW erasures AS
SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS erased_at, event_id, events FROM erasure;

-- The minutes that are over.
CREATE VIEW history AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', m.minute_ms / 1000.0, 'unixepoch') AS minute,
       m.came, m.done, m.died, m.throttled, m.pending,
       strftime('%Y-%m-%dT%H:%M:%fZ', m.oldest_ms / 1000.0, 'unixepoch') AS oldest_pending,
       m.p50_ms AS median_ms, m.p95_ms
FROM minute m WHERE m.minute_ms < (SELECT c.value / 60000 * 60000 FROM counter c WHERE c.name = 'rollup_ms');

CREATE VIEW pauses AS
SELECT scope, kind, strftime('%Y-%m-%dT%H:%M:%fZ', since_ms / 1000.0, 'unixepoch') AS since, reason, reason_code,
       strftime('%Y-%m-%dT%H:%M:%fZ', probe_ms / 1000.0, 'unixepoch') AS next_probe_at FROM pause;

-- Who a request of an event names, one row per identifier; the empty text where it names nobody.
CREATE VIEW delivery_people AS
SELECT d.id AS delivery_id,
       coalesce(a.key || ':' || iif(a.key = 'email', lower(trim(a.value)), a.value), '') AS person
FROM delivery AS d LEFT JOIN json_each(d.request, '$.data.attributes.profile.data.attributes') AS a
  ON a.key IN ('email', 'phone_number', 'external_id', 'anonymous_id') AND a.type = 'text'
WHERE d.event_key IS NOT NULL;
