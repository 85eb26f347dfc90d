//! The values that every event has taken out of its properties: the caller's own `$event_id` and `$value`, the first
//! usable id, number and currency, each with a warning for what is passed over. Pure.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use crate::klaviyo::is_currency;
use crate::model::GarbageIds;
use crate::segment::{amount, find_all, text};

/// Properties without the caller's own `$event_id` and `$value`, which Klaviyo reads elsewhere.
pub(super) struct Lifted {
    /// Everything else, in the order sent.
    pub(super) rest: Map<String, Value>,
    /// The `$event_id`, as text.
    pub(super) event_id: Option<String>,
    /// The `$value`, as a number.
    pub(super) value: Option<Number>,
}

impl Lifted {
    /// What the event is worth, and the rule that says so: the caller's own `$value`, else the first of these
    /// properties that is a number.
    pub(super) fn worth(&self, names: &[&str], warnings: &mut Vec<String>) -> Option<(Number, String)> {
        let own = self.value.clone().map(|value| (value, "properties.$value".to_owned()));
        own.or_else(|| worth(&self.rest, names, warnings))
    }

    /// Lifts the two out of `properties`, which the call has at `place`. One that cannot be read stays where it was.
    pub(super) fn of(
        properties: &Map<String, Value>,
        place: &str,
        garbage: &GarbageIds,
        warnings: &mut Vec<String>,
    ) -> Self {
        let mut rest = properties.clone();
        let event_id = rest
            .get("$event_id")
            .and_then(|value| usable(value, &format!("{place}.$event_id"), garbage, warnings));
        if event_id.is_some() {
            rest.shift_remove("$event_id");
        }
        let value = rest.get("$value").filter(|value| !value.is_null()).and_then(|value| {
            let number = number(value);
            if number.is_none() {
                warnings.push(not_a_number(&format!("{place}.$value")));
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
pub(super) fn usable(value: &Value, place: &str, garbage: &GarbageIds, warnings: &mut Vec<String>) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let id = text(value).filter(|id| !garbage.contains(id));
    if id.is_none() {
        warnings.push(format!(
            "`{place}` is no usable id (blank, garbage, or neither text nor number): it is not the $event_id"
        ));
    }
    id
}

/// The number that a property is, digit for digit, or holds as a text with `$` and thousands separators.
pub(super) fn number(value: &Value) -> Option<Number> {
    let plain = amount(value)?;
    if let Value::Number(number) = value {
        return Some(number.clone());
    }
    // A text such as "007.50" is no JSON number: it is rewritten. A JSON number never is.
    let decimal = Decimal::read(value).and_then(Decimal::number);
    decimal.or_else(|| plain.parse().ok())
}

/// The number of the first of these properties that is one. What is none is a warning; the event goes.
fn worth(properties: &Map<String, Value>, names: &[&str], warnings: &mut Vec<String>) -> Option<(Number, String)> {
    let spelled = names.iter().flat_map(|name| find_all(properties, name));
    spelled.filter(|(_, value)| !value.is_null()).find_map(|(sent, value)| {
        let place = format!("properties.{sent}");
        let number = number(value);
        if number.is_none() {
            warnings.push(not_a_number(&place));
        }
        Some((number?, place))
    })
}

/// The currency of an event's value, in ISO 4217's capitals. Klaviyo refuses a request with another.
pub(super) fn currency(properties: &Map<String, Value>, warnings: &mut Vec<String>) -> Option<(String, String)> {
    let spelled = find_all(properties, "currency").filter(|(_, value)| !value.is_null());
    spelled.into_iter().find_map(|(sent, value)| {
        let place = format!("properties.{sent}");
        let code = text(value).map(|code| code.to_ascii_uppercase());
        let code = code.filter(|code| is_currency(code));
        if code.is_none() {
            warnings.push(format!(
                "`{place}` is no currency code of ISO 4217: the event's value goes without a currency"
            ));
        }
        Some((code?, place))
    })
}

/// The words for an amount that is none.
fn not_a_number(place: &str) -> String {
    format!("`{place}` is no number: it is not the event's value")
}
