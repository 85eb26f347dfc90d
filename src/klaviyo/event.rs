//! `events`: record one event, answered with 202 and nothing else.
//!
//! The profile of an event carries identifiers only, and the `id` that `enforce_email` makes of a user id. Traits
//! travel by `profile-import`, in order; Klaviyo does not promise any order between events. `meta` is left out too: its
//! place in this body depends on the revision.

use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::resource::{bytes, resource, text};
use crate::model::Timestamp;

/// One event of one person. Its members are in the order of the body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateEvent {
    /// Everything else that is known, at most 400 of them.
    pub properties: Map<String, Value>,
    /// When it happened. Klaviyo cuts it to the second.
    pub time: Timestamp,
    /// What it was worth. Klaviyo takes a number only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
    /// The currency of `value`, in ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_currency: Option<String>,
    /// The `$event_id`, 1 to 255 characters. Without one Klaviyo keeps one event per profile, metric and second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// Record it without starting flows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backfill: bool,
    /// What happened: the metric's name, 1 to 127 characters. Klaviyo makes unknown ones.
    #[serde(serialize_with = "metric")]
    pub metric: String,
    /// Who did it.
    #[serde(serialize_with = "profile")]
    pub profile: EventProfile,
}

impl CreateEvent {
    /// The body's JSON text.
    pub fn body(&self) -> String {
        text(&resource("event", self))
    }

    /// The bytes of the profile within the body: Klaviyo limits it by itself.
    pub fn profile_bytes(&self) -> usize {
        bytes(&resource("profile", &self.profile))
    }
}

/// The names of the person an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EventProfile {
    /// The e-mail address, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The phone number, in E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The shop's own id of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Custom properties of the person.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

fn metric<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Metric<'a> {
        name: &'a str,
    }
    resource("metric", Metric { name }).serialize(serializer)
}

fn profile<S: Serializer>(profile: &EventProfile, serializer: S) -> Result<S::Ok, S::Error> {
    resource("profile", profile).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_leave_with_the_digits_they_came_with() {
        let event = CreateEvent {
            metric: "Viewed".to_owned(),
            profile: EventProfile {
                external_id: Some("u1".to_owned()),
                ..EventProfile::default()
            },
            properties: serde_json::from_str(r#"{"z":0.10,"a":12345678901234567890}"#).unwrap(),
            time: Timestamp::parse("2026-11-23T10:00:00Z").unwrap(),
            value: "9.90".parse().ok(),
            value_currency: None,
            unique_id: Some("m1".to_owned()),
            backfill: false,
        };
        assert_eq!(
            event.body(),
            concat!(
                r#"{"data":{"type":"event","attributes":{"properties":{"z":0.10,"a":12345678901234567890},"#,
                r#""time":"2026-11-23T10:00:00.000Z","value":9.90,"unique_id":"m1","#,
                r#""metric":{"data":{"type":"metric","attributes":{"name":"Viewed"}}},"#,
                r#""profile":{"data":{"type":"profile","attributes":{"external_id":"u1"}}}}}}"#
            )
        );
    }
}
