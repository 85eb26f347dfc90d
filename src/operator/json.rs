//! The JSON that commands print with `--json` and that the admin port answers, from one place.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::filter::Matches;
use crate::outbox::{Brief, DeliveryReport, EventReport};
use crate::segment::{redact_write_key, repair_surrogates};

/// The changed events, or those that a dry run selected.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Changed")]
pub struct ChangedJson<'a> {
    /// Nothing was changed.
    dry_run: bool,
    /// How many events were changed, or would be.
    count: usize,
    /// The first of them.
    #[schemars(length(max = 10))]
    first: &'a [Brief],
    /// Numbers that were requested, or found, and not changed: they do not exist, are in another state, or were in
    /// flight.
    left_out: &'a [i64],
}

impl Matches {
    /// The JSON of a change or of its dry run.
    pub fn json(&self, dry_run: bool) -> Value {
        json!(ChangedJson {
            dry_run,
            count: self.events.len(),
            first: &self.first,
            left_out: &self.missing,
        })
    }
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
pub struct EventJson<'a> {
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
