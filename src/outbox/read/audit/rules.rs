//! The rules for the rows of an outbox, each with a query for the events that break it.
//!
//! The queries look up rows by index: an audit reads each table about once.

/// One rule.
pub(super) struct Rule {
    /// Its name, for scripts.
    pub(super) name: &'static str,
    /// What must hold.
    pub(super) must: &'static str,
    /// SQL that returns the `id` of each event that breaks it.
    pub(super) broken_by: &'static str,
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "known_messages",
        must: "the message of every event is known, so that a copy is not stored again",
        broken_by: "SELECT e.id FROM event AS e
                    WHERE NOT EXISTS (SELECT 1 FROM message AS m WHERE m.source = e.source
                                      AND m.message_id = e.message_id AND m.event_id = e.id)",
    },
    Rule {
        name: "numbers",
        must: "no event, queue position or known message has a number that was not given yet",
        broken_by: "SELECT e.id FROM counter AS c, event AS e
                    WHERE c.name = 'last_id' AND (e.id > c.value OR e.queue_pos > c.value)
                    UNION ALL
                    SELECT m.event_id FROM counter AS c, message AS m
                    WHERE c.name = 'last_id' AND m.event_id > c.value",
    },
    Rule {
        name: "payloads",
        must: "every unfinished event has its call, and every call of a batch has its envelope",
        broken_by: "SELECT e.id FROM event AS e WHERE e.finished_ms IS NULL
                    AND NOT EXISTS (SELECT 1 FROM payload AS p WHERE p.event_id = e.id)
                    UNION ALL
                    SELECT p.event_id FROM payload AS p
                    WHERE p.envelope_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM envelope AS v WHERE v.id = p.envelope_id)",
    },
    Rule {
        name: "queues",
        must: "every unfinished event has an entry in the queue of each of its identifiers",
        broken_by: "SELECT e.id FROM event AS e JOIN event_identifier AS i ON i.event_id = e.id
                    WHERE e.finished_ms IS NULL
                      AND NOT EXISTS (SELECT 1 FROM queue_entry AS t
                                      WHERE t.identifier = i.identifier AND t.queue_pos = e.queue_pos AND t.event_id = e.id)",
    },
    Rule {
        name: "queue_entries",
        must: "every queue entry has the position and an identifier of an unfinished event, or of a dead one that blocks others",
        broken_by: "SELECT t.event_id AS id FROM queue_entry AS t LEFT JOIN event AS e ON e.id = t.event_id
                    WHERE e.id IS NULL OR e.queue_pos <> t.queue_pos OR e.status NOT IN ('pending', 'held', 'dead')
                       OR NOT EXISTS (SELECT 1 FROM event_identifier AS i
                                      WHERE i.event_id = t.event_id AND i.identifier = t.identifier)",
    },
    Rule {
        name: "blocked_by",
        must: "the stored number of queues in which an earlier event blocks an event is what the queues contain",
        broken_by: "SELECT e.id FROM event AS e
                    WHERE e.finished_ms IS NULL
                      AND e.blocked_by <> (SELECT count(*) FROM queue_entry AS t WHERE t.event_id = e.id
                                      AND EXISTS (SELECT 1 FROM queue_entry AS p
                                                  WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos))",
    },
    Rule {
        name: "in_flight",
        must: "an active event is blocked by active events alone, and only an active event has a request in flight",
        broken_by: "SELECT e.id FROM event AS e
                    JOIN queue_entry AS t ON t.event_id = e.id
                    JOIN queue_entry AS p ON p.identifier = t.identifier AND p.queue_pos < t.queue_pos
                    JOIN event AS o ON o.id = p.event_id AND o.active = 0
                    WHERE e.active = 1 AND e.blocked_by > 0
                    UNION ALL
                    SELECT d.event_id FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
                    JOIN event AS e ON e.id = d.event_id WHERE a.ended_ms IS NULL AND e.active = 0",
    },
    Rule {
        name: "import_jobs",
        must: "an import job is open as long as one of its attempts is",
        broken_by: "SELECT d.event_id AS id FROM attempt AS a JOIN import_job AS j ON j.id = a.import_job
                    JOIN delivery AS d ON d.id = a.delivery_id
                    WHERE a.ended_ms IS NULL AND j.ended_ms IS NOT NULL",
    },
    Rule {
        name: "delivered",
        must: "every request of a delivered event is delivered, or was delivered before",
        broken_by: "SELECT e.id FROM event AS e JOIN delivery AS d ON d.event_id = e.id AND d.generation = e.generation
                    WHERE e.status = 'delivered' AND d.status NOT IN ('delivered', 'duplicate')",
    },
    Rule {
        name: "accepted",
        must: "a request is delivered when Klaviyo accepted an attempt of it, and only then",
        broken_by: "SELECT d.event_id AS id FROM delivery AS d WHERE d.status = 'delivered'
                      AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.delivery_id = d.id AND a.outcome = 'accepted')
                    UNION ALL
                    SELECT d.event_id FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
                    WHERE a.outcome = 'accepted' AND d.status <> 'delivered'",
    },
    Rule {
        name: "dedup_keys",
        must: "a request that was delivered under a `$event_id` owns it, so that it is delivered once",
        broken_by: "SELECT d.event_id AS id FROM delivery AS d
                    JOIN event AS e ON e.id = d.event_id
                    WHERE d.status = 'delivered' AND d.event_key IS NOT NULL AND (d.generation = e.generation OR e.again = 0)
                      AND NOT EXISTS (SELECT 1 FROM dedup_key AS k WHERE k.sent_to = d.sent_to AND k.metric = d.metric
                                      AND k.event_key = d.event_key AND k.delivery_id = d.id)",
    },
];
