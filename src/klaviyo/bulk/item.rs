//! A single request's body, taken apart into what a job is made of.
//!
//! Promises that every part is the very text of the body: what distinguishes the items is read in addition.
//! What has an unknown member, or none of a known one, is no item: it goes singly, as it is.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::names::{Name, names_of};
use crate::json;
use crate::klaviyo::limits::{BULK_EVENT_BYTES, BULK_PERSON_BYTES, MAX_NESTING};
use crate::klaviyo::resource::text;
use crate::model::DeliveryKind;

/// A body that may be part of a job.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Event(Arc<EventItem>),
    Person(Arc<PersonItem>),
}

/// An event and whose it is.
#[derive(Debug)]
pub(super) struct EventItem {
    /// `{"data": …}` of its profile.
    pub(super) profile: String,
    /// The event without its profile.
    pub(super) event: String,
    pub(super) names: Vec<Name>,
    /// Its metric and `unique_id`.
    pub(super) key: (String, String),
}

/// A profile, or the profile of a subscription.
#[derive(Debug)]
pub(super) struct PersonItem {
    pub(super) profile: String,
    pub(super) names: Vec<Name>,
    /// `None` for a profile that is only imported.
    pub(super) consent: Option<ConsentSettings>,
}

/// What subscriptions must have in common to be one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConsentSettings {
    pub(super) historical_import: bool,
    /// As JSON text.
    pub(super) custom_source: Option<String>,
    pub(super) list_id: Option<String>,
}

impl Item {
    /// Reads a body of this kind; `None` when it has to be sent by itself.
    pub(super) fn read(kind: DeliveryKind, body: &str) -> Option<Self> {
        Some(match kind {
            DeliveryKind::Event => Self::Event(Arc::new(EventItem::read(body)?)),
            DeliveryKind::Profile => Self::Person(Arc::new(PersonItem::read_import(body)?)),
            DeliveryKind::Subscription => Self::Person(Arc::new(PersonItem::read_subscription(body)?)),
            DeliveryKind::ListAdd | DeliveryKind::ListRemove | DeliveryKind::Deletion => return None,
        })
    }
}

impl EventItem {
    fn read(body: &str) -> Option<Self> {
        let Data { data: event }: Data<Event<'_>> = read(body, BULK_EVENT_BYTES)?;
        let metric = json::from_str(event.attributes.metric.get()).ok()?;
        let metric = metric.pointer("/data/attributes/name")?.as_str()?;
        let unique_id = event.attributes.unique_id?;
        let unique_id: String = serde_json::from_str(unique_id.get()).ok()?;
        let profile = event.attributes.profile;
        let person = json::from_str(profile.get()).ok()?;
        let person = person.get("data")?;
        // The place of `meta` in a single event depends on the revision, in a bulk job it does not.
        let patched = person.get("meta").is_some() || person.pointer("/attributes/meta").is_some();
        let plain = !patched && levels(event.attributes.properties.get()) <= MAX_NESTING;
        let names = names_of(person);
        (event.kind == "event" && plain && !names.is_empty()).then(|| Self {
            profile: profile.get().to_owned(),
            key: (metric.to_owned(), unique_id),
            event: text(&event),
            names,
        })
    }
}

impl PersonItem {
    fn read_import(body: &str) -> Option<Self> {
        let Data { data: profile }: Data<&RawValue> = read(body, BULK_PERSON_BYTES)?;
        let person = json::from_str(profile.get()).ok()?;
        let erases = person.get("meta").is_some() || has_null(&person);
        if person.get("type")?.as_str()? != "profile" || erases {
            return None;
        }
        Self::of(profile, &person, None)
    }

    fn read_subscription(body: &str) -> Option<Self> {
        let Data { data: job }: Data<Subscription<'_>> = read(body, BULK_PERSON_BYTES)?;
        let [profile] = job.attributes.profiles.data;
        let person = json::from_str(profile.get()).ok()?;
        let list = job.relationships.map(|relationships| relationships.list);
        let consent = ConsentSettings {
            historical_import: job.attributes.historical_import,
            custom_source: job.attributes.custom_source.map(|source| source.get().to_owned()),
            list_id: list.map(|list| list.data.id),
        };
        (job.kind == "profile-subscription-bulk-create-job").then(|| Self::of(profile, &person, Some(consent)))?
    }

    fn of(profile: &RawValue, person: &Value, consent: Option<ConsentSettings>) -> Option<Self> {
        let names = names_of(person);
        (!names.is_empty()).then(|| Self {
            profile: profile.get().to_owned(),
            names,
            consent,
        })
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a str, most_bytes: usize) -> Option<T> {
    (body.len() <= most_bytes)
        .then(|| serde_json::from_str(body).ok())
        .flatten()
}

/// How deep objects and arrays stand in one another, the outermost included: the stricter reading of the limit, which
/// has a body that only one reading allows go singly.
fn levels(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
    }
}

/// A member that is there as its text, `null` too: `Option` alone would take that for absent and lose it.
fn present<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    attributes: EventAttributes<'a>,
}

/// In the order in which a single event has them.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EventAttributes<'a> {
    #[serde(borrow)]
    properties: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    value_currency: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill: Option<&'a RawValue>,
    #[serde(borrow)]
    metric: &'a RawValue,
    #[serde(borrow, skip_serializing)]
    profile: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    attributes: SubscriptionAttributes<'a>,
    relationships: Option<Relationships>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionAttributes<'a> {
    #[serde(default)]
    historical_import: bool,
    #[serde(borrow, default, deserialize_with = "present")]
    custom_source: Option<&'a RawValue>,
    #[serde(borrow)]
    profiles: Data<[&'a RawValue; 1]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relationships {
    list: Data<List>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "a list without its type is no list")]
    kind: String,
    id: String,
}
