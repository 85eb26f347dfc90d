//! The values that every event has taken out of its properties: the caller's own `$event_id` and `$value`, the first
//! usable id, number and currency, each with a warning for what is passed over. Pure.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use super::rule::{Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use crate::klaviyo::is_currency;
use crate::model::GarbageIds;
use crate::segment::{Pointer, as_decimal, as_text, find_all};

/// Properties without the caller's own `$event_id` and `$value`, which Klaviyo reads elsewhere.
pub(super) struct Extracted {
    /// Everything else, in the order sent.
    pub(super) rest: Map<String, Value>,
    /// The `$event_id`, as text.
    pub(super) event_id: Option<String>,
    /// The `$value`, as a number.
    pub(super) value: Option<Number>,
}

impl Extracted {
    /// What the event is worth, and where that comes from: the caller's own `$value`, else the first of these
    /// properties that is a number.
    pub(super) fn event_value(&self, names: &[&str], sink: &mut Sink) -> Option<Sourced<Number>> {
        let own = self.value.clone().map(|value| sourced(value, "$value", sink));
        own.or_else(|| event_value(&self.rest, names, sink))
    }

    /// Lifts the two out of `properties`, which the call has at `place`. One that cannot be read stays where it was.
    pub(super) fn of(
        properties: &Map<String, Value>,
        place: impl Fn() -> Pointer,
        garbage: &GarbageIds,
        sink: &mut Sink,
    ) -> Self {
        let mut rest = properties.clone();
        let event_id = rest
            .get("$event_id")
            .and_then(|value| usable_id(value, || place().name("$event_id"), garbage, sink));
        if event_id.is_some() {
            rest.shift_remove("$event_id");
        }
        let value = rest.get("$value").filter(|value| !value.is_null()).and_then(|value| {
            let number = number(value);
            if number.is_none() {
                sink.warn(Warning::ValueNotNumber(place().name("$value")));
            }
            number
        });
        if value.is_some() {
            rest.shift_remove("$value");
        }
        Self { rest, event_id, value }
    }
}

/// An id as text. What is no id, or is known garbage, is a warning: with `undefined` as the id of every order,
/// Klaviyo would record the first order only.
pub(super) fn usable_id(
    value: &Value,
    place: impl FnOnce() -> Pointer,
    garbage: &GarbageIds,
    sink: &mut Sink,
) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let id = as_text(value).filter(|id| !garbage.contains(id));
    if id.is_none() {
        sink.warn(Warning::EventIdNotUsable(place()));
    }
    id
}

/// The number that a property is, digit for digit, or holds as a text with `$` and thousands separators.
pub(super) fn number(value: &Value) -> Option<Number> {
    let plain = as_decimal(value)?;
    if let Value::Number(number) = value {
        return Some(number.clone());
    }
    // A text such as "007.50" is no JSON number: it is rewritten. A JSON number never is.
    let decimal = Decimal::read(value).and_then(Decimal::number);
    decimal.or_else(|| plain.parse().ok())
}

/// The number of the first of these properties that is one. What is none is a warning; the event goes.
fn event_value(properties: &Map<String, Value>, names: &[&str], sink: &mut Sink) -> Option<Sourced<Number>> {
    let mut spelled = names.iter().flat_map(|name| find_all(properties, name));
    spelled.find_map(|(sent, value)| {
        let number = number(value);
        if number.is_none() && !value.is_null() {
            sink.warn(Warning::ValueNotNumber(property(sent)));
        }
        Some(sourced(number?, sent, sink))
    })
}

/// The currency of an event's value, in ISO 4217's capitals. Klaviyo refuses a request with another.
pub(super) fn currency(properties: &Map<String, Value>, sink: &mut Sink) -> Option<Sourced<String>> {
    let mut spelled = find_all(properties, "currency").filter(|(_, value)| !value.is_null());
    spelled.find_map(|(sent, value)| {
        let code = as_text(value).map(|code| code.to_ascii_uppercase());
        let code = code.filter(|code| is_currency(code));
        if code.is_none() {
            sink.warn(Warning::NotACurrency(property(sent)));
        }
        Some(sourced(code?, sent, sink))
    })
}

/// A value that the property `sent` gave.
pub(super) fn sourced<T>(value: T, sent: &str, sink: &Sink) -> Sourced<T> {
    let origin = sink.origin(|| Origin::sent(property(sent)));
    Sourced { value, origin }
}

/// The place of a property.
pub(super) fn property(sent: &str) -> Pointer {
    Pointer::of("properties").name(sent)
}
