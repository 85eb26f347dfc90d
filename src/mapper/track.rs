//! track → one event; an Order Completed → the order and its products.

use serde_json::{Map, Value};

use super::draft::{Draft, Properties, Stated};
use super::event_id;
use super::lifted::{Lifted, currency};
use super::order;
use super::order_name::is_order_completed;
use super::person::Person;
use super::reasons::{Refusal, Skip};
use super::{Input, Planned};
use crate::config::MappingConfig;

/// The requests of a track call.
pub(super) fn plan(input: &Input<'_>, settings: &MappingConfig) -> Result<Vec<Planned>, Skip> {
    let person = Person::of(input, settings)?;
    let mut warnings = Vec::new();
    let nothing = Map::new();
    let properties = input.call.properties().unwrap_or_else(|| {
        if input
            .call
            .field("properties")
            .is_some_and(|properties| !properties.is_null())
        {
            warnings.push("`properties` is no object: nothing of it is sent".to_owned());
        }
        &nothing
    });
    let lifted = Lifted::of(properties, "properties", &settings.garbage_ids, &mut warnings);
    // A name that is no text is none: the event is refused below, with its properties to be seen.
    let name = input.call.field("event").and_then(Value::as_str).unwrap_or_default();
    if is_order_completed(name) {
        return Ok(order::plan(input, settings, &person, lifted, warnings));
    }
    Ok(vec![event(input, settings, lifted, name, warnings).finish(
        input,
        &person,
        &Stated::of(input.call),
    )])
}

/// An event under its own name.
fn event(input: &Input<'_>, settings: &MappingConfig, lifted: Lifted, name: &str, mut warnings: Vec<String>) -> Draft {
    let names: &[&str] = if event_id::happens_once(name, settings) {
        &["revenue", "total"]
    } else {
        &["revenue"]
    };
    let value = lifted.worth(names, &mut warnings);
    let currency = currency(&lifted.rest, &mut warnings);
    let key = event_id::of_event(input, settings, &lifted, name, &mut warnings);
    let mut properties = Properties::default();
    properties.put_all(lifted.rest, "properties");
    Draft {
        metric: name.to_owned(),
        metric_rule: "event".to_owned(),
        key: Some(key),
        value,
        currency,
        properties,
        refused: name.trim().is_empty().then_some(Refusal::MetricMissing),
        warnings,
    }
}
