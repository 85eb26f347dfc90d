-- The outbox, version 1. Tables are private: scripts read the views of 0002.
-- Times are milliseconds since 1970, UTC. Everything here can be read by SQLite 3.40 (Debian 12): no JSONB,
-- no 'subsec'.

-- Tells this file from any other SQLite file: 'KLRY', shown by file(1).
PRAGMA application_id = 1263293017;

-- Numbers that outlive rows. last_id: the last number given to an event or to a place in the order.
-- accepted: events ever accepted. pruned_*: finished events that retention has removed since.
CREATE TABLE counter (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES
    ('last_id', 0), ('accepted', 0), ('pruned_delivered', 0), ('pruned_skipped', 0), ('pruned_dead', 0);

-- Which messages were accepted: the same message of the same source is stored once.
CREATE TABLE message (
    source      TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    event_id    INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (source, message_id)
) STRICT, WITHOUT ROWID;

-- One Segment call and where it stands.
CREATE TABLE event (
    id          INTEGER NOT NULL PRIMARY KEY,
    source      TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    type        TEXT,
    name        TEXT,
    profile     TEXT,
    at_ms       INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'skipped', 'dead', 'held')),
    reason      TEXT,
    -- Its place in the order; a replay takes a new one behind everything that waits.
    seq         INTEGER NOT NULL,
    -- How many of its identifiers have an earlier unfinished event. 0: its turn has come.
    ahead       INTEGER NOT NULL DEFAULT 0 CHECK (ahead >= 0),
    -- 1 while the daemon works on it; reset at start.
    in_air      INTEGER NOT NULL DEFAULT 0 CHECK (in_air IN (0, 1)),
    -- Not before this time.
    due_ms      INTEGER NOT NULL,
    -- Counts the replays, from 1; cycle_ms is when this one began.
    cycle       INTEGER NOT NULL DEFAULT 1 CHECK (cycle >= 1),
    cycle_ms    INTEGER NOT NULL,
    -- What the operator asked of this cycle: subscriptions of any age, events without flows, the requests of the
    -- cycle before.
    consent     INTEGER NOT NULL DEFAULT 0 CHECK (consent IN (0, 1)),
    backfill    INTEGER NOT NULL DEFAULT 0 CHECK (backfill IN (0, 1)),
    as_sent     INTEGER NOT NULL DEFAULT 0 CHECK (as_sent IN (0, 1)),
    finished_ms INTEGER,
    CHECK ((status IN ('pending', 'held')) = (finished_ms IS NULL)),
    CHECK (in_air = 0 OR status = 'pending'),
    CHECK (status NOT IN ('skipped', 'dead') OR reason IS NOT NULL)
) STRICT;

-- What may go now, oldest first: the daemon reads nothing else to find work.
CREATE INDEX event_due ON event (due_ms, id)
    WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND cycle = 1;
CREATE INDEX event_due_replayed ON event (due_ms, id)
    WHERE status = 'pending' AND ahead = 0 AND in_air = 0 AND cycle > 1;
CREATE INDEX event_in_air ON event (id) WHERE in_air = 1;
CREATE INDEX event_unfinished ON event (received_ms) WHERE finished_ms IS NULL;
CREATE INDEX event_dead ON event (id) WHERE status = 'dead';
CREATE INDEX event_finished ON event (finished_ms) WHERE finished_ms IS NOT NULL;

-- The call as received, byte for byte, and what its batch said around it. Apart from `event`, so that a change
-- of state does not rewrite it.
CREATE TABLE payload (
    event_id INTEGER NOT NULL PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE,
    body     TEXT NOT NULL,
    envelope TEXT
) STRICT;

-- Everybody an event may be about, kept as long as the event.
CREATE TABLE event_identifier (
    event_id   INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
    identifier TEXT NOT NULL,
    PRIMARY KEY (event_id, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_identifier_events ON event_identifier (identifier, event_id);

-- Who waits in whose line: one row per identifier of an unfinished event. The first of a line may go; an event
-- may go when it is first in all of its lines.
CREATE TABLE turn (
    identifier TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    event_id   INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
    PRIMARY KEY (identifier, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX turn_event ON turn (event_id);

-- One Klaviyo request that an event owes.
CREATE TABLE delivery (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id     INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
    cycle        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('profile', 'event', 'subscription', 'list_add', 'list_remove')),
    metric       TEXT,
    event_key    TEXT,
    list_id      TEXT,
    status       TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'duplicate', 'rejected', 'unknown')),
    reason       TEXT,
    -- What the mapper warned of, one line each.
    warnings     TEXT,
    -- Attempts that count against max_attempts.
    tries        INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- The body, frozen when the event is mapped; a list change gets its own at its first attempt.
    request      TEXT,
    sent_to      TEXT,
    http_status  INTEGER,
    -- The profile's id at Klaviyo, from the answer to a profile delivery.
    profile_id   TEXT,
    delivered_ms INTEGER,
    UNIQUE (event_id, cycle, position),
    CHECK ((status = 'delivered') = (delivered_ms IS NOT NULL)),
    CHECK (status NOT IN ('duplicate', 'rejected') OR reason IS NOT NULL)
) STRICT;

CREATE INDEX delivery_unknown ON delivery (id) WHERE status = 'unknown';

-- One HTTP request: written before it is sent, completed after. No outcome: it is in the air, or the daemon
-- died meanwhile.
CREATE TABLE attempt (
    delivery_id INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number >= 1),
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER,
    http_status INTEGER,
    outcome     TEXT CHECK (outcome IN ('accepted', 'retry', 'unknown', 'refused', 'stopped', 'conflict')),
    error       TEXT,
    request_id  TEXT,
    PRIMARY KEY (delivery_id, number),
    CHECK ((ended_ms IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_open ON attempt (delivery_id) WHERE ended_ms IS NULL;

-- The ledger of `$event_id`s: which delivery owns a metric and `$event_id` at a destination. It outlives the
-- delivery's row.
CREATE TABLE sent_key (
    sent_to     TEXT NOT NULL,
    metric      TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    delivery_id INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (sent_to, metric, event_key)
) STRICT, WITHOUT ROWID;

-- At most one row: why nothing is sent at the moment, and when the next probe may go.
CREATE TABLE pause (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    since_ms INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    probe_ms INTEGER NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('refused', 'unreachable'))
) STRICT;

-- Small facts the daemon keeps between starts, such as the name of the Klaviyo account behind a key.
CREATE TABLE fact (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
