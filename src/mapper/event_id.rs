//! The `$event_id` of an event: what Klaviyo records once, however often it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Input;
use super::extracted::{Extracted, property, sourced, usable_id};
use super::order_name::is_order_completed;
use super::rule::{Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use crate::config::MappingConfig;
use crate::klaviyo::limits::MAX_UNIQUE_ID_CHARS;
use crate::model::GarbageIds;
use crate::segment::{Pointer, find_all, same_key};

/// The caller's own `$event_id`, else `eventId` (of the events of an order, and of those that the settings name), else
/// `orderId` (of the events of an order), else the message id: no event is ever de-duplicated by its second. In other
/// events `event_id` may be a concert. Source: the destination's page, which maps `eventId` for orders alone.
pub(super) fn of_event(
    input: &Input<'_>,
    settings: &MappingConfig,
    extracted: &Extracted,
    name: &str,
    sink: &mut Sink,
) -> Sourced<String> {
    let garbage = &settings.garbage_ids;
    let own = extracted.event_id.clone().map(|id| sourced(id, "$event_id", sink));
    let once = happens_once(name, settings);
    let event_id = once || has_event_id(name, settings);
    own.or_else(|| event_id.then(|| first_id(&extracted.rest, "eventId", garbage, sink))?)
        .or_else(|| once.then(|| first_id(&extracted.rest, "orderId", garbage, sink))?)
        .unwrap_or_else(|| Sourced {
            value: input.message_id.to_owned(),
            origin: sink.origin(|| Origin::sent(Pointer::of("messageId"))),
        })
}

/// The key as Klaviyo takes it: one that is too long is sent as its SHA-256, the same every time.
pub(super) fn shorten(key: String, sink: &mut Sink) -> String {
    let chars = key.chars().count();
    if chars <= MAX_UNIQUE_ID_CHARS {
        return key;
    }
    sink.warn(Warning::EventIdHashed(chars));
    let mut hashed = "sha256:".to_owned();
    for byte in Sha256::digest(key.as_bytes()) {
        write!(hashed, "{byte:02x}").expect("writing to a String cannot fail");
    }
    hashed
}

/// Distinguishes the lines of an order that have the same product id: the second gets `_2`, the third `_3`.
pub(super) struct LineIds {
    sent: BTreeSet<String>,
    last: BTreeMap<String, usize>,
}

impl LineIds {
    /// For an order whose lines carry these product ids.
    pub(super) fn new(sent: impl IntoIterator<Item = String>) -> Self {
        Self {
            sent: sent.into_iter().collect(),
            last: BTreeMap::new(),
        }
    }

    /// The name of the next line with this product id. A name that another line carries as its own is passed over.
    pub(super) fn next_id(&mut self, id: &str) -> String {
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

/// The first usable id that a property of this name holds, in any spelling; none that is blank or garbage.
pub(super) fn first_id(
    properties: &Map<String, Value>,
    name: &str,
    garbage: &GarbageIds,
    sink: &mut Sink,
) -> Option<Sourced<String>> {
    // A `$event_id` that is no usable id has its warning already: it must not hide an `eventId`.
    let mut spelled = find_all(properties, name).filter(|(sent, _)| *sent != "$event_id");
    spelled.find_map(|(sent, value)| {
        let id = usable_id(value, || property(sent), garbage, sink)?;
        Some(sourced(id, sent, sink))
    })
}

/// Whether the event's `eventId` is one by the settings.
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
    fn lines_of_one_product_are_distinguished() {
        let ids = ["a", "a", "b", "a", "a_2"].map(str::to_owned);
        let mut lines = LineIds::new(ids.clone());
        let names: Vec<String> = ids.iter().map(|id| lines.next_id(id)).collect();
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
            let key = first_id(call.properties().unwrap(), "orderId", &garbage, &mut Sink::new(false));
            assert_eq!(call.order_id(&garbage), key.as_ref().map(|key| key.value.clone()));
            named += usize::from(key.is_some());
        }
        assert_eq!(named, 5);
    }

    #[test]
    fn a_long_key_is_hashed_the_same_way_each_time() {
        let mut sink = Sink::new(false);
        let fits = "k".repeat(MAX_UNIQUE_ID_CHARS);
        assert_eq!(shorten(fits.clone(), &mut sink), fits);
        assert!(sink.warnings.is_empty());
        let long = shorten("k".repeat(256), &mut sink);
        assert_eq!(long, shorten("k".repeat(256), &mut Sink::new(false)));
        assert_ne!(long, shorten("k".repeat(257), &mut Sink::new(false)));
        assert_eq!(long.len(), 71);
        assert_eq!(sink.warnings, [Warning::EventIdHashed(256)]);
    }
}
