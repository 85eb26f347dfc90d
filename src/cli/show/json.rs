//! An event for scripts: the columns of the views, and what no view has.

use serde_json::{Map, Value, json};

use super::{Rules, Shown};
use crate::segment::{masked, readable};

pub(super) fn of(shown: &Shown) -> Value {
    let report = &shown.report;
    let mut event = object(&report.columns);
    event.insert("identifiers".to_owned(), json!(report.identifiers));
    let waits_for: Vec<i64> = report.waits_for.iter().map(|id| id.0).collect();
    event.insert("waits_for".to_owned(), json!(waits_for));
    let (count, first) = &report.waited_for_by;
    let first: Vec<i64> = first.iter().map(|id| id.0).collect();
    let waited_for_by = json!({"count": count, "first": first});
    event.insert("waited_for_by".to_owned(), waited_for_by);
    let payload = report.payload.as_deref().map(masked);
    event.insert("payload".to_owned(), parsed(payload.as_deref()));
    let deliveries = report.deliveries.iter().map(|delivery| {
        let mut row = object(&delivery.columns);
        row.insert("request".to_owned(), parsed(delivery.request.as_deref()));
        let attempts = delivery.attempts.iter();
        let attempts = attempts.map(|attempt| Value::Object(object(attempt)));
        row.insert("attempts".to_owned(), attempts.collect());
        Value::Object(row)
    });
    event.insert("deliveries".to_owned(), deliveries.collect());
    event.insert("rules".to_owned(), rules(&shown.now));
    Value::Object(event)
}

/// What the call becomes now: the rules of each request, or why there is none.
fn rules(now: &Rules) -> Value {
    match now {
        Rules::Unknown => Value::Null,
        Rules::Nothing(reason) => json!({"skipped": reason}),
        Rules::Requests(planned) => planned
            .iter()
            .map(|planned| {
                let rules = planned.rules.iter();
                let rules = rules.map(|rule| json!({"field": rule.field, "rule": rule.rule}));
                json!({"kind": planned.request.kind().word(), "rules": rules.collect::<Vec<_>>()})
            })
            .collect(),
    }
}

fn object(columns: &[(String, Option<String>)]) -> Map<String, Value> {
    columns
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect()
}

/// Stored JSON as JSON; what cannot be read again (it may nest too deep) as its text.
fn parsed(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| {
        serde_json::from_str(&readable(text)).unwrap_or_else(|_| Value::String(text.to_owned()))
    })
}
