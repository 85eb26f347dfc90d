//! What every event has in common, whichever call it comes from: the properties with their rules, and the request.

use serde_json::{Map, Number, Value};

use super::event_id::shorten;
use super::person::Person;
use super::reasons::Rejection;
use super::rule::{Note, Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use super::{Input, Planned, limits};
use crate::klaviyo::{CreateEvent, Request};
use crate::segment::{Call, Pointer, parse_time};

const ATTRIBUTES: &str = "/data/attributes";
const METRIC: &str = "/data/attributes/metric/data/attributes";
const PROPERTIES: &str = "/data/attributes/properties";

/// One event in the making.
pub(super) struct Draft {
    /// The metric's name.
    pub(super) metric: Sourced<String>,
    /// The `$event_id`; none only where nothing can make one, and then `rejected` is set.
    pub(super) key: Option<Sourced<String>>,
    /// What it was worth.
    pub(super) value: Option<Sourced<Number>>,
    /// In which currency.
    pub(super) currency: Option<Sourced<String>>,
    /// Everything that is sent as a property, and the warnings so far.
    pub(super) properties: Properties,
    /// Why it cannot be sent, where that is known already. Limits are checked at the end.
    pub(super) rejected: Option<Rejection>,
}

impl Draft {
    /// The request, checked against Klaviyo's limits.
    pub(super) fn finish(self, input: &Input<'_>, person: &Person, stated: Option<&Warning>) -> Planned {
        let Properties { map, mut sink } = self.properties;
        let of_properties = std::mem::take(&mut sink.rules);
        sink.warnings.extend(stated.cloned());
        sink.rule(METRIC, "name", self.metric.origin);
        sink.rule(ATTRIBUTES, "time", sink.origin(|| time_origin(input.call)));
        let unique_id = self
            .key
            .map(|key| shorten(sink.take(ATTRIBUTES, "unique_id", key), &mut sink));
        let value = self.value.map(|value| sink.take(ATTRIBUTES, "value", value));
        let value_currency = self.currency;
        let value_currency = value_currency.map(|code| sink.take(ATTRIBUTES, "value_currency", code));
        let profile = person.event_profile(&mut sink);
        sink.rules.extend(of_properties);
        let request = Request::Event(CreateEvent {
            metric: self.metric.value,
            profile,
            properties: map,
            time: input.at,
            value,
            value_currency,
            unique_id,
            backfill: input.backfill,
        });
        // Each event of an order is a request of its own, so each has the warnings about its person.
        sink.warnings.extend(person.warnings.iter().cloned());
        sink.warnings.extend(limits::ignored(&request));
        let rejected = self.rejected.or_else(|| person.rejected.clone());
        sink.planned(request, rejected, input)
    }
}

/// The warning about a call's time: found once, however many events are made of the call.
pub(super) fn time_warning(call: &Call) -> Option<Warning> {
    let unreadable = |name: &&'static str| {
        let stated = call.field(name).filter(|value| !value.is_null());
        stated.is_some_and(|value| parse_time(value).is_none())
    };
    let field = TIMES.into_iter().find(unreadable)?;
    let counts = time_origin(call);
    Some(Warning::TimeNotReadable { field, counts })
}

/// The fields of a call for its time; the first that can be read counts.
const TIMES: [&str; 2] = ["timestamp", "originalTimestamp"];

/// Where a call's time comes from.
pub(super) fn time_origin(call: &Call) -> Origin {
    let readable = |name: &&str| call.field(name).and_then(parse_time).is_some();
    TIMES.into_iter().find(readable).map_or_else(
        || Origin::outside(Note::ArrivalTime),
        |name| Origin::new(Pointer::of(name), Note::ClockCorrected),
    )
}

/// The properties of an event, and its rules and warnings so far.
pub(super) struct Properties {
    pub(super) map: Map<String, Value>,
    pub(super) sink: Sink,
}

impl Properties {
    pub(super) fn new(sink: Sink) -> Self {
        let map = Map::new();
        Self { map, sink }
    }

    /// Puts a property in, unless one of exactly this name is there: the sender's own goes before a computed one.
    pub(super) fn put(&mut self, name: &str, value: Value, origin: impl FnOnce() -> Origin) {
        if !self.map.contains_key(name) {
            let origin = self.sink.origin(origin);
            self.sink.property(PROPERTIES, name, origin);
            self.map.insert(name.to_owned(), value);
        }
    }

    /// Puts all of these in as they were sent. `place` is where one of a name was sent.
    pub(super) fn put_all(&mut self, sent: Map<String, Value>, place: impl Fn(&str) -> Pointer) {
        for (name, value) in sent {
            self.put(&name, value, || Origin::sent(place(&name)));
        }
    }
}
