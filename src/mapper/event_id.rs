//! The `$event_id` of an event: what Klaviyo records once, however often it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Input;
use super::lifted::{Lifted, usable};
use super::order_name::is_order_completed;
use crate::config::MappingConfig;
use crate::klaviyo::limits::MAX_UNIQUE_ID_CHARS;
use crate::model::GarbageIds;
use crate::segment::{find_all, same_key};

/// An `$event_id` and the rule that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventKey {
    pub(super) text: String,
    pub(super) rule: String,
}

/// The caller's own `$event_id`, else `eventId` (of the events of an order, and of those that the settings name), else
/// `orderId` (of the events of an order), else the message id: no event is ever de-duplicated by its second. In other
/// events `event_id` may be a concert. Source: the destination's page, which maps `eventId` for orders alone.
pub(super) fn of_event(
    input: &Input<'_>,
    settings: &MappingConfig,
    lifted: &Lifted,
    name: &str,
    warnings: &mut Vec<String>,
) -> EventKey {
    let garbage = &settings.garbage_ids;
    let own = lifted.event_id.clone().map(|text| EventKey {
        text,
        rule: "properties.$event_id".to_owned(),
    });
    let once = happens_once(name, settings);
    let event_id = once || has_event_id(name, settings);
    own.or_else(|| event_id.then(|| property(&lifted.rest, "eventId", garbage, warnings))?)
        .or_else(|| once.then(|| order_id(&lifted.rest, garbage, warnings))?)
        .unwrap_or_else(|| EventKey {
            text: input.message_id.to_owned(),
            rule: "messageId".to_owned(),
        })
}

/// `orderId` in any spelling, unless it is blank or garbage.
pub(super) fn order_id(
    properties: &Map<String, Value>,
    garbage: &GarbageIds,
    warnings: &mut Vec<String>,
) -> Option<EventKey> {
    property(properties, "orderId", garbage, warnings)
}

/// The key as Klaviyo takes it: one that is too long is sent as its SHA-256, the same every time.
pub(super) fn fit(key: String, warnings: &mut Vec<String>) -> String {
    let chars = key.chars().count();
    if chars <= MAX_UNIQUE_ID_CHARS {
        return key;
    }
    warnings.push(format!(
        "the $event_id has {chars} characters, more than Klaviyo's {MAX_UNIQUE_ID_CHARS}: its SHA-256 is sent instead"
    ));
    let mut hashed = "sha256:".to_owned();
    for byte in Sha256::digest(key.as_bytes()) {
        write!(hashed, "{byte:02x}").expect("writing to a String cannot fail");
    }
    hashed
}

/// Tells the lines of one order apart that carry the same product id: the second gets `_2`, the third `_3`.
pub(super) struct Lines {
    sent: BTreeSet<String>,
    last: BTreeMap<String, usize>,
}

impl Lines {
    /// For an order whose lines carry these product ids.
    pub(super) fn new(sent: impl IntoIterator<Item = String>) -> Self {
        Self {
            sent: sent.into_iter().collect(),
            last: BTreeMap::new(),
        }
    }

    /// The name of the next line with this product id. A name that another line carries as its own is passed over.
    pub(super) fn name(&mut self, id: &str) -> String {
        let Some(last) = self.last.get_mut(id) else {
            self.last.insert(id.to_owned(), 1);
            return id.to_owned();
        };
        loop {
            *last += 1;
            let name = format!("{id}_{last}");
            if !self.sent.contains(&name) {
                return name;
            }
        }
    }
}

fn property(
    properties: &Map<String, Value>,
    name: &str,
    garbage: &GarbageIds,
    warnings: &mut Vec<String>,
) -> Option<EventKey> {
    // A `$event_id` that was no id has had its say: it must not hide an `eventId`.
    let spelled = find_all(properties, name).filter(|(sent, _)| *sent != "$event_id");
    spelled.into_iter().find_map(|(sent, value)| {
        let rule = format!("properties.{sent}");
        let text = usable(value, &rule, garbage, warnings)?;
        Some(EventKey { text, rule })
    })
}

/// Whether the settings say that the event's `eventId` is one.
fn has_event_id(name: &str, settings: &MappingConfig) -> bool {
    let named = |event: &String| event == "*" || same_key(event, name);
    settings.event_id_events.iter().any(named)
}

/// An Order Completed always does, however it is written; other events when the settings name them.
pub(super) fn happens_once(name: &str, settings: &MappingConfig) -> bool {
    let named = |event: &String| same_key(event, name);
    is_order_completed(name) || settings.order_id_events.iter().any(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::segment::Call;

    #[test]
    fn lines_of_one_product_are_told_apart() {
        let ids = ["a", "a", "b", "a", "a_2"].map(str::to_owned);
        let mut lines = Lines::new(ids.clone());
        let names: Vec<String> = ids.iter().map(|id| lines.name(id)).collect();
        assert_eq!(names, ["a", "a_3", "b", "a_4", "a_2"]);
    }

    #[test]
    fn an_event_is_found_by_the_order_that_its_event_id_is() {
        let garbage = GarbageIds::default();
        let mut named = 0;
        for properties in [
            json!({"orderId": "o-1"}),
            json!({"total": 1, "Order ID": 1001}),
            json!({"order_id": " o-2 ", "orderId": "o-3"}),
            json!({"$event_id": "own", "ORDER-ID": 1.10}),
            json!({"order_id": null, "orderId": "o-3"}),
            json!({"orderId": "undefined"}),
            json!({"orderId": {"id": "o-1"}}),
        ] {
            let call = json!({"type": "track", "event": "e", "properties": properties}).to_string();
            let call = Call::read(&call, None, None).unwrap();
            let key = order_id(call.properties().unwrap(), &garbage, &mut Vec::new());
            assert_eq!(call.order_id(&garbage), key.as_ref().map(|key| key.text.clone()));
            named += usize::from(key.is_some());
        }
        assert_eq!(named, 5);
    }

    #[test]
    fn a_long_key_is_hashed_the_same_way_each_time() {
        let mut warnings = Vec::new();
        let fits = "k".repeat(MAX_UNIQUE_ID_CHARS);
        assert_eq!(fit(fits.clone(), &mut warnings), fits);
        assert!(warnings.is_empty());
        let long = fit("k".repeat(256), &mut warnings);
        assert_eq!(long, fit("k".repeat(256), &mut Vec::new()));
        assert_ne!(long, fit("k".repeat(257), &mut Vec::new()));
        assert_eq!((long.len(), warnings.len()), (71, 1));
    }
}
