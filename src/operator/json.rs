//! The JSON that commands print with `--json` and that the admin port answers, from one place.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::filter::Matches;
use super::masked::masked_text;
use crate::outbox::{Audit, Brief, DeadGroup, DeadGroups, DeliveryReport, EventReport};
use crate::segment::{redact_write_key, repair_surrogates};

/// Dead events by reason.
pub fn dead_json(dead: &DeadGroups) -> Value {
    let group = |group: &DeadGroup| {
        json!({
            "reason_code": group.code, "count": group.count, "first": group.first.to_string(),
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
        "reason_code": brief.reason_code,
    })
}

/// An event with its history. `show --json` adds the events that wait for it, and what its call becomes now. A write
/// key in the call is masked; everything else is complete.
pub fn event_json(report: &EventReport) -> Value {
    let payload = report.payload.as_deref().map(redact_write_key);
    let deliveries = report.deliveries.iter().map(|delivery| DeliveryJson {
        delivery,
        request: parsed(delivery.request.as_deref()),
    });
    json!(EventJson {
        report,
        payload: parsed(payload.as_deref()),
        deliveries: deliveries.collect(),
    })
}

/// The columns of the view `events` and more.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(super) struct EventJson<'a> {
    #[serde(flatten)]
    report: &'a EventReport,
    /// The call as received, its write key masked; null when it is no longer kept.
    payload: Value,
    /// Its requests, of every time that it was sent.
    deliveries: Vec<DeliveryJson<'a>>,
}

/// The columns of the view `deliveries` and more.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
struct DeliveryJson<'a> {
    #[serde(flatten)]
    delivery: &'a DeliveryReport,
    /// The body that is sent; null before it is made.
    request: Value,
}

/// Stored JSON as JSON; as its text if it cannot be parsed (it may nest too deep).
fn parsed(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| {
        crate::json::from_str(&repair_surrogates(text)).unwrap_or_else(|_| Value::String(text.to_owned()))
    })
}
