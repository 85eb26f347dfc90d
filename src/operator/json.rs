//! The JSON that commands print with `--json` and that the admin port answers, from one place.

use serde_json::{Map, Value, json};

use super::clock::{clock_code, clock_message};
use super::filter::Matches;
use super::masked::masked_text;
use super::wal::{wal_code, wal_message};
use crate::outbox::{Audit, Brief, ClockTrouble, DeadGroup, DeadGroups, EventReport, FailingAlone, Pause, Status};
use crate::segment::{redact_write_key, repair_surrogates};

/// The state of the outbox as JSON, without the values that are expensive to compute.
pub(super) fn status_json(status: &Status, sandbox: bool) -> Value {
    let audit: Map<String, Value> = status
        .audit
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let backlog: Vec<Value> = status
        .backlog
        .iter()
        .map(|row| json!({"status": row.status, "type": row.kind, "count": row.count, "oldest": row.oldest}))
        .collect();
    let dead: Vec<Value> = status
        .dead
        .iter()
        .map(|group| {
            json!({
                "reason": group.reason, "count": group.count, "sample": group.sample.0,
                "example": masked_text(&group.example),
            })
        })
        .collect();
    let pause = |pause: &Pause| {
        json!({
            "scope": pause.scope(), "kind": pause.kind.word(), "since": pause.since.to_string(),
            "reason": pause.reason, "next_probe_at": pause.probe_at.to_string(),
        })
    };
    let failing = |failing: &FailingAlone| {
        json!({
            "event": failing.event.0, "kind": failing.kind.word(), "failures": failing.failures,
            "reason": failing.reason, "next_attempt_at": failing.next_attempt_at.to_string(),
        })
    };
    let pauses: Vec<Value> = status.pauses.iter().map(pause).collect();
    let failing: Vec<Value> = status.failing.iter().map(failing).collect();
    let import_jobs = status.import_jobs.iter().map(|job| {
        json!({
            "klaviyo_job_id": job.klaviyo_id, "since": job.since.to_string(), "profiles": job.profiles,
        })
    });
    let shared = status.shared_identifiers.iter().map(|shared| {
        json!({
            "identifier": shared.identifier, "waiting": shared.waiting, "people": shared.people,
        })
    });
    let log = status.log.as_ref().map(|trouble| {
        json!({
            "code": wal_code(trouble), "since": trouble.since.to_string(), "message": wal_message(trouble),
            "wal_bytes": trouble.wal_bytes,
        })
    });
    json!({"sandbox": sandbox, "audit": audit, "backlog": backlog, "dead": dead, "paused": pauses,
        "failing": failing, "copies": status.copies, "repeats": status.repeats,
        "unknown_subscriptions": status.unknown_subscriptions,
        "shared_identifiers": shared.collect::<Vec<_>>(),
        "import_jobs": import_jobs.collect::<Vec<_>>(), "log": log,
        "clock": status.clock.iter().copied().map(clock_json).collect::<Vec<_>>()})
}

fn clock_json(trouble: ClockTrouble) -> Value {
    json!({"code": clock_code(trouble), "message": clock_message(trouble)})
}

/// Dead events by reason.
pub fn dead_json(dead: &DeadGroups) -> Value {
    let group = |group: &DeadGroup| {
        json!({
            "reason": group.words, "count": group.count, "first": group.first.to_string(),
            "last": group.last.to_string(), "people": group.people, "sample": group.sample.0,
            "example": masked_text(&group.example),
        })
    };
    let groups: Vec<Value> = dead.groups.iter().map(group).collect();
    json!({ "reasons": groups, "older_left_out": dead.older })
}

impl Matches {
    /// The changed events, or with `dry_run` the selected ones: the count, the first of them, and the requested numbers
    /// that were excluded.
    pub fn json(&self, dry_run: bool) -> Value {
        let first: Vec<Value> = self.first.iter().map(brief_json).collect();
        json!({
            "dry_run": dry_run, "count": self.events.len(), "first": first, "left_out": self.missing,
        })
    }
}

/// The result of an audit, as `audit --json` prints it.
pub fn audit_json(audit: &Audit) -> Value {
    let totals = audit.totals.iter();
    let totals: Map<String, Value> = totals.map(|(name, count)| (name.clone(), json!(count))).collect();
    let counts: Vec<Value> = audit
        .counts
        .iter()
        .map(|counted| json!({"status": counted.name, "rows": counted.rows, "counted": counted.kept}))
        .collect();
    let rules: Vec<Value> = audit
        .rules
        .iter()
        .map(|rule| {
            let first: Vec<i64> = rule.first.iter().map(|id| id.0).collect();
            json!({"name": rule.name, "must": rule.must, "broken": rule.broken, "first": first})
        })
        .collect();
    json!({
        "holds": audit.holds(), "audit": totals, "counts": counts, "rules": rules, "file": audit.file,
    })
}

/// An event in a few fields.
pub fn brief_json(brief: &Brief) -> Value {
    json!({
        "id": brief.id.0, "received_at": brief.received_at.to_string(), "type": brief.kind, "name": brief.name,
        "profile": brief.profile, "status": brief.status, "reason": brief.reason,
    })
}

/// An event with its history. `show --json` adds the events that wait for it, and what its call becomes now. A write
/// key in the call is masked; everything else is complete.
pub fn event_json(report: &EventReport) -> Value {
    let mut event = json!(report);
    let payload = report.payload.as_deref().map(redact_write_key);
    event["payload"] = parsed(payload.as_deref());
    let deliveries = event["deliveries"].as_array_mut().into_iter().flatten();
    for (json, delivery) in deliveries.zip(&report.deliveries) {
        json["request"] = parsed(delivery.request.as_deref());
    }
    event
}

/// Stored JSON as JSON; as its text if it cannot be parsed (it may nest too deep).
fn parsed(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| {
        crate::json::from_str(&repair_surrogates(text)).unwrap_or_else(|_| Value::String(text.to_owned()))
    })
}
