//! Klaviyo's limits, checked before anything is sent: a request over one of them is rejected with the limit's name,
//! never cut and never left for Klaviyo to drop.

use serde_json::{Map, Number, Value};

use super::reasons::Rejection;
use super::warning::{Names, Warning};
use crate::klaviyo::limits as klaviyo;
use crate::klaviyo::{CreateEvent, ProfileImport, Request};
use crate::model::Timestamp;

/// Why Klaviyo would refuse the request, whose body has so many bytes, if it would.
pub(super) fn check(request: &Request, bytes: usize, now: Timestamp) -> Option<Rejection> {
    match request {
        Request::Profile(profile) => check_profile(profile, bytes),
        Request::Event(event) => check_event(event, bytes, now),
        Request::Subscribe(_) | Request::Delete(_) | Request::ListAdd { .. } | Request::ListRemove { .. } => Ok(()),
    }
    .err()
}

fn check_profile(profile: &ProfileImport, bytes: usize) -> Checked {
    check_values(&profile.properties, "traits")?;
    ensure(bytes <= klaviyo::MAX_PROFILE_BYTES, || {
        Rejection::ProfileTooLarge(bytes)
    })
}

/// First the checks that only count, then those that serialize the request to measure it.
fn check_event(event: &CreateEvent, bytes: usize, now: Timestamp) -> Checked {
    let chars = event.metric.chars().count();
    ensure(chars <= klaviyo::MAX_METRIC_CHARS, || Rejection::MetricTooLong(chars))?;
    let key = event.unique_id.as_deref().unwrap_or_default();
    ensure(!key.trim().is_empty(), || Rejection::EventIdMissing)?;
    check_time(event.time, now)?;
    let count = event.properties.len();
    ensure(count <= klaviyo::MAX_EVENT_PROPERTIES, || {
        Rejection::TooManyProperties(count)
    })?;
    check_values(&event.properties, "properties")?;
    event
        .value
        .as_ref()
        .map_or(Ok(()), |value| check_number(value, &|| "value".to_owned()))?;
    let profile = event.profile_bytes();
    ensure(profile <= klaviyo::MAX_EVENT_PROFILE_BYTES, || {
        Rejection::EventProfileTooLarge(profile)
    })?;
    ensure(bytes <= klaviyo::MAX_PAYLOAD_BYTES, || {
        Rejection::PayloadTooLarge(bytes)
    })
}

type Checked = Result<(), Rejection>;

fn ensure(holds: bool, rejection: impl FnOnce() -> Rejection) -> Checked {
    if holds { Ok(()) } else { Err(rejection()) }
}

fn check_time(time: Timestamp, now: Timestamp) -> Checked {
    let millis = time.as_millis();
    ensure(millis >= klaviyo::EARLIEST_EVENT_MILLIS, || {
        Rejection::TimeTooEarly(time)
    })?;
    let latest = now.as_millis().saturating_add(klaviyo::LATEST_EVENT_AHEAD_MILLIS);
    ensure(millis <= latest, || Rejection::TimeTooLate(time))
}

/// `place` is where the sender has them: `traits` or `properties`.
fn check_values(properties: &Map<String, Value>, place: &str) -> Checked {
    for (name, value) in properties {
        check_value(value, 1, &|| format!("{place}.{}", short(name)))?;
    }
    Ok(())
}

fn check_value(value: &Value, level: usize, field: &dyn Fn() -> String) -> Checked {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => check_number(number, field),
        Value::String(text) => ensure(text.len() <= klaviyo::MAX_STRING_BYTES, || Rejection::StringTooLong {
            field: field(),
            bytes: text.len(),
        }),
        Value::Array(items) => {
            ensure(items.len() <= klaviyo::MAX_ARRAY_ITEMS, || Rejection::ArrayTooLong {
                field: field(),
                items: items.len(),
            })?;
            check_level(level, field)?;
            items.iter().try_for_each(|item| check_value(item, level + 1, field))
        }
        Value::Object(members) => {
            check_level(level, field)?;
            members
                .values()
                .try_for_each(|member| check_value(member, level + 1, field))
        }
    }
}

/// Stops before the next level is entered, so the depth of a hostile value costs nothing.
fn check_level(level: usize, field: &dyn Fn() -> String) -> Checked {
    ensure(level <= klaviyo::MAX_NESTING, || Rejection::TooDeep { field: field() })
}

/// Whole numbers are held in 64 bits, all others in a double.
fn check_number(number: &Number, field: &dyn Fn() -> String) -> Checked {
    let text = number.to_string();
    if text.contains(['.', 'e', 'E']) {
        return ensure(number.as_f64().is_some(), || Rejection::NumberTooLarge {
            field: field(),
        });
    }
    ensure(text.parse::<i64>().is_ok(), || Rejection::IntegerTooLarge {
        field: field(),
    })
}

/// Names of properties are the sender's: one can be as long as a text.
fn short(name: &str) -> &str {
    const LONGEST: usize = 60;
    name.char_indices().nth(LONGEST).map_or(name, |(end, _)| &name[..end])
}

/// What Klaviyo takes with an event and then ignores: 0, null and the empty text.
pub(super) fn ignored(request: &Request) -> Option<Warning> {
    const NAMED: usize = 5;
    let Request::Event(event) = request else {
        return None;
    };
    let ignored = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let all: Vec<&str> = event
        .properties
        .iter()
        .filter(|(_, value)| ignored(value))
        .map(|(name, _)| short(name))
        .collect();
    if all.is_empty() {
        return None;
    }
    let first = all.iter().take(NAMED).map(|name| (*name).to_owned()).collect();
    let more = all.len().saturating_sub(NAMED);
    Some(Warning::PropertiesIgnored(Names { first, more }))
}
