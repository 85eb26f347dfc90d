//! An event as JSON: the columns of the views, and the data that no view has.

use serde_json::{Value, json};

use super::Shown;
use crate::operator::{Remapped, RequestView, event_json};

pub(super) fn of(shown: &Shown) -> Value {
    let mut event = event_json(&shown.report);
    event["waited_for_by"] = json!(shown.report.waited_for_by);
    event["rules"] = rules(&shown.now);
    event
}

/// What the call becomes now: the rules of each request, or the reason for no request.
fn rules(now: &Remapped) -> Value {
    match now {
        Remapped::Unknown => Value::Null,
        Remapped::Nothing(reason) => json!({"skipped": reason}),
        Remapped::Requests(planned) => planned
            .iter()
            .map(|planned| {
                let RequestView { kind, rules, .. } = RequestView::of(planned);
                json!({"kind": kind, "rules": rules})
            })
            .collect(),
    }
}
