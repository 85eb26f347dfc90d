//! What every event has in common, whichever call it comes from: the properties with their rules, and the request that
//! is made of it all.

use serde_json::{Map, Number, Value};

use super::event_id::{EventKey, fit};
use super::person::Person;
use super::reasons::Refusal;
use super::{Input, Planned, Rule, limits};
use crate::klaviyo::{CreateEvent, Request};
use crate::segment::{Call, time};

const PROPERTIES: &str = "/data/attributes/properties";

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
    pub(super) fn finish(self, input: &Input<'_>, person: &Person, stated: &Stated) -> Planned {
        const ATTRIBUTES: &str = "/data/attributes";
        let mut rules = vec![
            Rule::new(format!("{ATTRIBUTES}/metric/data/attributes/name"), self.metric_rule),
            Rule::new(format!("{ATTRIBUTES}/time"), stated.rule),
        ];
        let mut warnings = self.warnings;
        warnings.extend(stated.warning.clone());
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
        let profile = person.event_profile(&format!("{ATTRIBUTES}/profile/data/attributes"), &mut rules);
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

/// What a call says of its time: read once, however many events are made of it.
pub(super) struct Stated {
    rule: &'static str,
    /// Which time cannot be read, and what counts instead.
    warning: Option<String>,
}

impl Stated {
    pub(super) fn of(call: &Call) -> Self {
        let rule = time_rule(call);
        Self {
            rule,
            warning: unreadable_time(call, rule),
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
fn unreadable_time(call: &Call, counts: &str) -> Option<String> {
    let unreadable = |name: &&str| {
        let stated = call.field(name).filter(|value| !value.is_null());
        stated.is_some_and(|value| time(value).is_none())
    };
    let name = ["timestamp", "originalTimestamp"].into_iter().find(unreadable)?;
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
