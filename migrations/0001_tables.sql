-- The tables of the outbox. They are private: scripts read the views of 0002. Times are milliseconds since 1970, UTC.
-- Everything here can be read by SQLite 3.40 (Debian 12): no JSONB, no 'subsec'. From here on, migrations only add.

-- Tells this file from any other SQLite file: 'KLRY', shown by file(1).
PRAGMA application_id = 1263293017;

CREATE TABLE counter (
    -- last_id, last_envelope: the last number given to an event or a position in the queues, to an envelope.
    -- accepted: events ever accepted; repeats: calls received again and not stored; copies: events that are skipped as a
    -- copy of another. status_*: events in that state, kept by triggers; pruned_*: those that retention removed.
    -- rollup_*: how far minutes are written: the last event, the time (0: never), the 429s of this process.
    name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES
    ('last_id', 0), ('last_envelope', 0), ('accepted', 0), ('repeats', 0), ('copies', 0),
    ('status_pending', 0), ('status_held', 0), ('status_delivered', 0), ('status_skipped', 0), ('status_dead', 0),
    ('pruned_delivered', 0), ('pruned_skipped', 0), ('pruned_dead', 0),
    ('rollup_id', 0), ('rollup_ms', 0), ('rollup_429s', 0);

CREATE TABLE kv (
    -- What the daemon keeps between starts, such as the name of the Klaviyo account behind a key.
    name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE write_guard (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1) -- one row inside each transaction of klaviyo-relay, none outside
) STRICT;

CREATE TABLE message (
    -- The messages that were accepted: the same message of the same source is stored once. The fingerprint is of type,
    -- name and person: another call under the same id is no copy. NULL: the person was erased.
    source TEXT NOT NULL, message_id TEXT NOT NULL, event_id INTEGER NOT NULL, received_ms INTEGER NOT NULL,
    fingerprint INTEGER, PRIMARY KEY (source, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    -- One Segment call and its state.
    id INTEGER NOT NULL PRIMARY KEY, source TEXT NOT NULL, message_id TEXT NOT NULL,
    type TEXT, name TEXT, profile TEXT, order_id TEXT, traceparent TEXT, -- the last: of the request that stored it
    at_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, finished_ms INTEGER,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'skipped', 'dead', 'held')),
    reason TEXT, reason_code TEXT, copy_of INTEGER, -- the event of which this one, skipped, is a copy
    queue_pos INTEGER NOT NULL, -- its position in the queues of its identifiers; a replay takes a new one
    blocked_by INTEGER NOT NULL DEFAULT 0 CHECK (blocked_by >= 0), -- in how many of them an earlier event stands
    active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1)), -- 1: the daemon has claimed it; reset at start
    run_after_ms INTEGER NOT NULL, parked TEXT, -- the endpoint family for whose pause it waits, due far ahead
    generation INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 1), -- 1 more with each replay
    generation_ms INTEGER NOT NULL, -- when the present one began
    -- Options of the replay: subscriptions of any age, events without flows, the former requests, what was delivered too.
    consent INTEGER NOT NULL DEFAULT 0 CHECK (consent IN (0, 1)), backfill INTEGER NOT NULL DEFAULT 0 CHECK (backfill IN (0, 1)),
    as_sent INTEGER NOT NULL DEFAULT 0 CHECK (as_sent IN (0, 1)), again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),
    CHECK ((status IN ('pending', 'held')) = (finished_ms IS NULL)), CHECK (active = 0 OR status = 'pending'),
    CHECK (status NOT IN ('skipped', 'dead') OR reason IS NOT NULL), CHECK ((reason IS NULL) = (reason_code IS NULL))
) STRICT;
-- What can be sent now, oldest first: the daemon reads nothing else to find work.
CREATE INDEX event_due ON event (run_after_ms, id) WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation = 1;
CREATE INDEX event_due_replayed ON event (run_after_ms, id) WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation > 1;
CREATE INDEX event_active ON event (id) WHERE active = 1;
CREATE INDEX event_parked ON event (parked, id) WHERE parked IS NOT NULL;
CREATE INDEX event_unfinished ON event (status, received_ms) WHERE finished_ms IS NULL;
CREATE INDEX event_done ON event (finished_ms) WHERE status IN ('delivered', 'skipped');
CREATE INDEX event_dead ON event (finished_ms) WHERE status = 'dead';
-- For lists and search: one entry for each event that ends so, or that names an order.
CREATE INDEX event_dead_id ON event (id) WHERE status = 'dead';
CREATE INDEX event_skipped_id ON event (id) WHERE status = 'skipped';
CREATE INDEX event_order ON event (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE envelope (
    -- What a batch has around its calls, once for all of them.
    id INTEGER NOT NULL PRIMARY KEY, body TEXT NOT NULL
) STRICT;

CREATE TABLE payload (
    -- The call as received, byte for byte. Apart from `event`, so that a change of state does not rewrite it.
    event_id INTEGER NOT NULL PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE, body TEXT NOT NULL,
    envelope_id INTEGER REFERENCES envelope (id)
) STRICT;
CREATE INDEX payload_envelope ON payload (envelope_id) WHERE envelope_id IS NOT NULL;

CREATE TABLE event_identifier (
    -- Everybody an event may be about, kept as long as the event.
    event_id INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE, identifier TEXT NOT NULL,
    PRIMARY KEY (event_id, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_identifier_events ON event_identifier (identifier, event_id);

CREATE TABLE queue_entry (
    -- Each identifier has a queue of the unfinished events that name it. The first in all its queues may be sent.
    identifier TEXT NOT NULL, queue_pos INTEGER NOT NULL,
    event_id INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
    PRIMARY KEY (identifier, queue_pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_entry_event ON queue_entry (event_id);

CREATE TABLE delivery (
    -- One Klaviyo request that an event owes.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, event_id INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL, position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('profile', 'event', 'subscription', 'list_add', 'list_remove', 'deletion')),
    metric TEXT, event_key TEXT, list_id TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'duplicate', 'rejected', 'unknown')),
    reason TEXT, reason_code TEXT, copy_of INTEGER, -- the event whose delivery this one, a duplicate, is a copy of
    warnings TEXT, -- the mapper's, one line each
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0), -- attempts that count against max_attempts
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0), -- attempts that failed: the back-off grows with them
    request TEXT, -- the body, frozen when the event is mapped; a list change gets its own at its first attempt
    sent_to TEXT, http_status INTEGER, delivered_ms INTEGER,
    profile_id TEXT, -- Klaviyo's, from the answer to a profile delivery
    UNIQUE (event_id, generation, position),
    CHECK ((status = 'delivered') = (delivered_ms IS NOT NULL)),
    CHECK (status NOT IN ('duplicate', 'rejected') OR reason IS NOT NULL), CHECK ((reason IS NULL) = (reason_code IS NULL))
) STRICT;
CREATE INDEX delivery_unknown ON delivery (id) WHERE status = 'unknown';
CREATE INDEX delivery_failing ON delivery (failures) WHERE failures >= 3 AND status IN ('pending', 'unknown');
CREATE INDEX delivery_key ON delivery (event_key, event_id) WHERE event_key IS NOT NULL;

CREATE TABLE import_job (
    -- Klaviyo works on a bulk import after it has answered: its events stay active while it is open, over restarts too.
    id INTEGER NOT NULL PRIMARY KEY, sent_to TEXT NOT NULL, began_ms INTEGER NOT NULL,
    items INTEGER NOT NULL CHECK (items > 0), -- how many profiles it was sent with
    klaviyo_id TEXT, ended_ms INTEGER -- NULL: the answer has not come or was lost; an attempt is open
) STRICT;
CREATE INDEX import_job_open ON import_job (id) WHERE ended_ms IS NULL;

CREATE TABLE attempt (
    -- One HTTP request: written before it is sent, completed after. No outcome: it is in flight, or the daemon ended.
    delivery_id INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 1), started_ms INTEGER NOT NULL, ended_ms INTEGER,
    http_status INTEGER, error TEXT, request_id TEXT,
    outcome TEXT CHECK (outcome IN ('accepted', 'retry', 'unknown', 'refused', 'stopped', 'conflict')),
    import_job INTEGER REFERENCES import_job (id), import_item INTEGER, -- its place in the job, from 0
    PRIMARY KEY (delivery_id, number), CHECK ((ended_ms IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_open ON attempt (delivery_id) WHERE ended_ms IS NULL;
CREATE INDEX attempt_import ON attempt (import_job, import_item) WHERE import_job IS NOT NULL;

CREATE TABLE dedup_key (
    -- Which delivery owns a metric and `$event_id` of a person at a destination: Klaviyo knows an event by its profile,
    -- metric and `unique_id`. The person is each identifier that the request names; where it was erased, the delivery.
    sent_to TEXT NOT NULL, metric TEXT NOT NULL, event_key TEXT NOT NULL, person TEXT NOT NULL,
    delivery_id INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (sent_to, metric, event_key, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE pause (
    -- The scope is 'account' or an endpoint family. `release` empties the table, and the daemon tries at once.
    scope TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('refused', 'unreachable', 'rate_limited')),
    since_ms INTEGER NOT NULL, reason TEXT NOT NULL, reason_code TEXT NOT NULL, probe_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erasure (
    -- That a person was erased, not who. event_id: the delete call, NULL after a command; events: how many were emptied.
    id INTEGER NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL, event_id INTEGER, events INTEGER NOT NULL CHECK (events >= 0)
) STRICT;

CREATE TABLE minute (
    -- The traffic of one minute in counts. done: delivered or skipped; throttled: requests answered with 429; pending: at
    -- its end; p50_ms, p95_ms: from arrival to delivery, of events delivered in it that were never replayed.
    minute_ms INTEGER NOT NULL PRIMARY KEY, came INTEGER NOT NULL CHECK (came >= 0),
    done INTEGER NOT NULL CHECK (done >= 0), died INTEGER NOT NULL CHECK (died >= 0),
    throttled INTEGER NOT NULL CHECK (throttled >= 0), pending INTEGER NOT NULL CHECK (pending >= 0),
    oldest_ms INTEGER, p50_ms INTEGER, p95_ms INTEGER
) STRICT;

CREATE TABLE minute_source (
    minute_ms INTEGER NOT NULL, source TEXT NOT NULL, came INTEGER NOT NULL CHECK (came >= 0),
    PRIMARY KEY (minute_ms, source)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_new_event AFTER INSERT ON event BEGIN
    UPDATE counter SET value = value + 1 WHERE name = 'status_' || new.status; END;
CREATE TRIGGER count_moved_event AFTER UPDATE OF status ON event WHEN new.status <> old.status BEGIN
    UPDATE counter SET value = value + iif(name = 'status_' || new.status, 1, -1)
    WHERE name IN ('status_' || old.status, 'status_' || new.status); END;
-- A finished event that is removed is counted, so that `audit` adds up; the loss of an unfinished one shows as a
-- difference. A message is known for as long as its event has a row.
CREATE TRIGGER count_removed_event AFTER DELETE ON event BEGIN
    UPDATE counter SET value = value + iif(name = 'pruned_' || old.status, 1, -1)
    WHERE name IN ('status_' || old.status, 'pruned_' || old.status, iif(old.copy_of IS NULL, '', 'copies'));
    DELETE FROM message WHERE source = old.source AND message_id = old.message_id AND event_id = old.id; END;
CREATE TRIGGER count_copy AFTER UPDATE OF copy_of ON event WHEN (old.copy_of IS NULL) <> (new.copy_of IS NULL) BEGIN
    UPDATE counter SET value = value + iif(new.copy_of IS NULL, -1, 1) WHERE name = 'copies'; END;
-- A `$event_id` is known for as long as the delivery that owns it has a row.
CREATE TRIGGER free_dedup_key AFTER DELETE ON delivery BEGIN
    DELETE FROM dedup_key
    WHERE (sent_to, metric, event_key, delivery_id) = (old.sent_to, old.metric, old.event_key, old.id); END;
CREATE TRIGGER remove_last_envelope AFTER DELETE ON payload
WHEN old.envelope_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM payload AS p WHERE p.envelope_id = old.envelope_id) BEGIN
    DELETE FROM envelope WHERE id = old.envelope_id; END;
