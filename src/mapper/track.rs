//! track → one event; an Order Completed → the order and its products.

use serde_json::{Map, Value};

use super::draft::{Draft, Properties, time_warning};
use super::event_id;
use super::extracted::{Extracted, currency, property};
use super::order;
use super::order_name::is_order_completed;
use super::person::Person;
use super::reasons::{Rejection, Skip};
use super::rule::{Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use super::{Input, Planned};
use crate::config::MappingConfig;
use crate::segment::Pointer;

/// The requests of a track call.
pub(super) fn plan(input: &Input<'_>, settings: &MappingConfig) -> Result<Vec<Planned>, Skip> {
    let person = Person::of(input, settings)?;
    let mut sink = Sink::new(input.explain);
    let nothing = Map::new();
    let properties = input.call.properties().unwrap_or_else(|| {
        if input
            .call
            .field("properties")
            .is_some_and(|properties| !properties.is_null())
        {
            sink.warn(Warning::PropertiesNotObject);
        }
        &nothing
    });
    let place = || Pointer::of("properties");
    let extracted = Extracted::of(properties, place, &settings.garbage_ids, &mut sink);
    // A name that is no text is none: the event is rejected below, with its properties to be seen.
    let name = input.call.field("event").and_then(Value::as_str).unwrap_or_default();
    if is_order_completed(name) {
        return Ok(order::plan(input, settings, &person, extracted, sink));
    }
    let event = event(input, settings, extracted, name, sink);
    Ok(vec![event.finish(input, &person, time_warning(input.call).as_ref())])
}

/// An event under its own name.
fn event(input: &Input<'_>, settings: &MappingConfig, extracted: Extracted, name: &str, mut sink: Sink) -> Draft {
    let names: &[&str] = if event_id::happens_once(name, settings) {
        &["revenue", "total"]
    } else {
        &["revenue"]
    };
    let value = extracted.event_value(names, &mut sink);
    let currency = currency(&extracted.rest, &mut sink);
    let key = event_id::of_event(input, settings, &extracted, name, &mut sink);
    let mut properties = Properties::new(sink);
    properties.put_all(extracted.rest, property);
    let origin = input.explain.then(|| Origin::sent(Pointer::of("event")));
    Draft {
        metric: Sourced {
            value: name.to_owned(),
            origin,
        },
        key: Some(key),
        value,
        currency,
        properties,
        rejected: name.trim().is_empty().then_some(Rejection::MetricMissing),
    }
}
