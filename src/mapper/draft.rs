//! What every event has in common, whichever call it comes from: the caller's own `$event_id` and `$value` lifted
//! out, the properties with their rules, and the request that is made of it all.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use super::event_id::{EventKey, fit, usable};
use super::person::Person;
use super::reasons::Refusal;
use super::{Input, Planned, Rule, limits};
use crate::klaviyo::{CreateEvent, Request, is_currency};
use crate::model::GarbageIds;
use crate::segment::{Call, amount, find_all, text, time};

const PROPERTIES: &str = "/data/attributes/properties";

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
    pub(super) fn worth(
        &self,
        names: &[&str],
        warnings: &mut Vec<String>,
    ) -> Option<(Number, String)> {
        let own = self
            .value
            .clone()
            .map(|value| (value, "properties.$value".to_owned()));
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
        let value = rest
            .get("$value")
            .filter(|value| !value.is_null())
            .and_then(|value| {
                let number = number(value);
                if number.is_none() {
                    warnings.push(not_a_number(&format!("{place}.$value")));
                }
                number
            });
        if value.is_some() {
            rest.shift_remove("$value");
        }
        Self {
            rest,
            event_id,
            value,
        }
    }
}

/// One event in the making.
pub(super) struct Draft {
    /// The metric's name and its rule.
    pub(super) metric: String,
    pub(super) metric_rule: String,
    /// The `$event_id`; none only where nothing can make one, and then `refused` says so.
    pub(super) key: Option<EventKey>,
    /// What it was worth, and the rule that says so.
    pub(super) value: Option<(Number, String)>,
    /// In which currency, and the rule that says so.
    pub(super) currency: Option<(String, String)>,
    /// Everything that is sent as a property.
    pub(super) properties: Properties,
    /// Why it cannot be sent, where the maker of the draft knows. Limits are checked at the end.
    pub(super) refused: Option<Refusal>,
    pub(super) warnings: Vec<String>,
}

impl Draft {
    /// The request, checked against Klaviyo's limits.
    pub(super) fn finish(self, input: &Input<'_>, person: &Person) -> Planned {
        const ATTRIBUTES: &str = "/data/attributes";
        let mut rules = vec![
            Rule::new(
                format!("{ATTRIBUTES}/metric/data/attributes/name"),
                self.metric_rule,
            ),
            Rule::new(format!("{ATTRIBUTES}/time"), time_rule(input.call)),
        ];
        let mut warnings = self.warnings;
        warnings.extend(unreadable_time(input.call));
        let mut split = |field: &str, rule: String| {
            rules.push(Rule::new(format!("{ATTRIBUTES}/{field}"), rule));
        };
        let unique_id = self.key.map(|key| {
            split("unique_id", key.rule);
            fit(key.text, &mut warnings)
        });
        let value = self.value.map(|(value, rule)| {
            split("value", rule);
            value
        });
        let value_currency = self.currency.map(|(currency, rule)| {
            split("value_currency", rule);
            currency
        });
        let profile =
            person.event_profile(&format!("{ATTRIBUTES}/profile/data/attributes"), &mut rules);
        rules.extend(self.properties.rules);
        let request = Request::Event(CreateEvent {
            metric: self.metric,
            profile,
            properties: self.properties.map,
            time: input.at,
            value,
            value_currency,
            unique_id,
            backfill: false,
        });
        // Each event of an order is a request of its own, so each says what is odd about its person.
        warnings.extend(person.warnings.iter().cloned());
        warnings.extend(limits::ignored(&request));
        Planned {
            refused: self
                .refused
                .or_else(|| person.refused.clone())
                .or_else(|| limits::check(&request, input.received_at)),
            request,
            warnings,
            rules,
        }
    }
}

/// What the event's time is, by the fields of the call that can be read.
fn time_rule(call: &Call) -> &'static str {
    let readable = |name| call.field(name).and_then(time).is_some();
    if readable("timestamp") {
        "timestamp, corrected for the sender's clock"
    } else if readable("originalTimestamp") {
        "originalTimestamp, corrected for the sender's clock"
    } else {
        "the time of arrival"
    }
}

/// Which time of the call cannot be read, and what counts instead.
fn unreadable_time(call: &Call) -> Option<String> {
    let unreadable = |name: &&str| {
        let stated = call.field(name).filter(|value| !value.is_null());
        stated.is_some_and(|value| time(value).is_none())
    };
    let name = ["timestamp", "originalTimestamp"]
        .into_iter()
        .find(unreadable)?;
    let counts = time_rule(call);
    Some(format!("`{name}` cannot be read: {counts} counts"))
}

/// The properties of an event, and the rule of each.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) map: Map<String, Value>,
    rules: Vec<Rule>,
}

impl Properties {
    /// Puts a property in, unless one of exactly this name is there: the sender's own goes before a computed one.
    pub(super) fn put(&mut self, name: &str, value: Value, rule: impl Into<String>) {
        if !self.map.contains_key(name) {
            self.rules.push(Rule::member(PROPERTIES, name, rule));
            self.map.insert(name.to_owned(), value);
        }
    }

    /// Puts all of these in as they were sent.
    pub(super) fn put_all(&mut self, sent: Map<String, Value>, place: &str) {
        for (name, value) in sent {
            let rule = format!("{place}.{name}");
            self.put(&name, value, rule);
        }
    }
}

/// The number that a property is, digit for digit, or holds as a text with `$` and thousands separators.
pub(super) fn number(value: &Value) -> Option<Number> {
    let plain = amount(value)?;
    if let Value::Number(number) = value {
        return Some(number.clone());
    }
    // A text such as "007.50" is no JSON number: it is written anew. A JSON number never is.
    let decimal = Decimal::read(value).and_then(Decimal::number);
    decimal.or_else(|| plain.parse().ok())
}

/// The number of the first of these properties that is one. What is none is a warning; the event goes.
fn worth(
    properties: &Map<String, Value>,
    names: &[&str],
    warnings: &mut Vec<String>,
) -> Option<(Number, String)> {
    let spelled = names.iter().flat_map(|name| find_all(properties, name));
    spelled
        .filter(|(_, value)| !value.is_null())
        .find_map(|(sent, value)| {
            let place = format!("properties.{sent}");
            let number = number(value);
            if number.is_none() {
                warnings.push(not_a_number(&place));
            }
            Some((number?, place))
        })
}

/// The currency of an event's value, in ISO 4217's capitals. Klaviyo refuses a request with another.
pub(super) fn currency(
    properties: &Map<String, Value>,
    warnings: &mut Vec<String>,
) -> Option<(String, String)> {
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
pub(super) fn not_a_number(place: &str) -> String {
    format!("`{place}` is no number: it is not the event's value")
}
