//! One Segment call as received, with what its batch has for all of its calls.

use serde_json::{Map, Value};

use super::brief::brief;
use super::envelope::{Envelope, Merged};
use super::lookup::{as_text, find, find_all, find_path, is_email};
use super::surrogates::repair_surrogates;
use crate::json;
use crate::model::{EventType, GarbageIds, Identifier, IdentifierKind};

/// The longest order id that is one, in characters: as long as an id of Klaviyo's may be.
const MAX_ORDER_ID_CHARS: usize = 255;

/// A call whose body is a JSON object and whose type is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which call it is.
    pub kind: EventType,
    body: Map<String, Value>,
    envelope: Option<Envelope>,
}

/// Why a payload is no call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The text is no JSON, nests deeper than 127 levels, or holds a number outside of what JSON readers take.
    #[error("the event is not readable JSON")]
    Json(#[source] serde_json::Error),
    /// The JSON is an array, a string, …
    #[error("the event is not a JSON object")]
    NotAnObject,
    /// `type` is absent or not one of Segment's calls.
    #[error("the event's `type` is not one of identify, track, page, screen, group, alias, delete")]
    UnknownType,
}

impl Call {
    /// Reads a stored payload. A member of its batch's `context` and `integrations` counts where the call does not have
    /// it itself, key by key (Go and Java send `context.library` at batch level only).
    ///
    /// Half a surrogate pair reads as U+FFFD: see [`repair_surrogates`].
    ///
    /// `kind` is the call's type where the path names it (`/v1/track`); otherwise `type` in the payload does.
    pub fn read(payload: &str, envelope: Option<&Envelope>, kind: Option<EventType>) -> Result<Self, CallError> {
        let body = json::from_str(&repair_surrogates(payload)).map_err(CallError::Json)?;
        Self::of(body, envelope, kind)
    }

    /// What can be read cheaply of a payload that is too long for [`Call::read`]: short values.
    pub fn brief(payload: &str, envelope: Option<&Envelope>, kind: Option<EventType>) -> Result<Self, CallError> {
        Self::of(brief(payload).map_err(CallError::Json)?, envelope, kind)
    }

    fn of(body: Value, envelope: Option<&Envelope>, kind: Option<EventType>) -> Result<Self, CallError> {
        let Value::Object(body) = body else {
            return Err(CallError::NotAnObject);
        };
        let word = || body.get("type").and_then(Value::as_str);
        let kind = kind
            .or_else(|| EventType::read(word()?))
            .ok_or(CallError::UnknownType)?;
        Ok(Self {
            kind,
            body,
            envelope: envelope.cloned(),
        })
    }

    /// An object of the call, its batch's behind it.
    pub(super) fn merged(&self, name: &str) -> Option<Merged<'_>> {
        Merged::of(&self.body, self.envelope.as_ref(), name)
    }

    /// The whole call.
    pub(super) const fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// What its batch has under this name.
    pub(super) fn batch_field(&self, name: &str) -> Option<&Value> {
        self.envelope.as_ref()?.field(name)
    }

    /// A top-level field, by its exact name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.body.get(name)
    }

    /// `userId`, unless it is blank or garbage. A number counts as its digits.
    pub fn user_id(&self, garbage: &GarbageIds) -> Option<String> {
        self.id("userId", garbage)
    }

    /// `anonymousId`, unless it is blank or garbage.
    pub fn anonymous_id(&self, garbage: &GarbageIds) -> Option<String> {
        self.id("anonymousId", garbage)
    }

    fn id(&self, name: &str, garbage: &GarbageIds) -> Option<String> {
        self.body.get(name).and_then(as_text).filter(|id| !garbage.contains(id))
    }

    /// `traits` of an identify or group. An identify without any takes `context.traits`, where RudderStack's SDKs put
    /// them (rudder-sdk-js, `identify`). A `traits` at the top of any other call is ignored, as Segment ignores it.
    pub fn traits(&self) -> Option<&Map<String, Value>> {
        self.traits_and_place().map(|(traits, _)| traits)
    }

    /// As [`Call::traits`], with the place where they stand, as a path.
    pub fn traits_and_place(&self) -> Option<(&Map<String, Value>, &'static str)> {
        let own = self.body.get("traits");
        match self.kind {
            EventType::Identify if own.is_none_or(is_empty_object) => {
                let elsewhere = self.context_traits().map(|map| (map, "context.traits"));
                elsewhere.or_else(|| Some((own?.as_object()?, "traits")))
            }
            EventType::Identify | EventType::Group => Some((own?.as_object()?, "traits")),
            EventType::Track | EventType::Page | EventType::Screen | EventType::Alias | EventType::Delete => None,
        }
    }

    /// `properties` of a track, page or screen.
    pub fn properties(&self) -> Option<&Map<String, Value>> {
        self.body.get("properties")?.as_object()
    }

    /// `properties.orderId` in any spelling: the order that the call names, by which it is found. As for a
    /// `$event_id`, the first usable one decides, a number counts as its digits, and garbage is none.
    pub fn order_id(&self, garbage: &GarbageIds) -> Option<String> {
        let ids = find_all(self.properties()?, "orderId").filter_map(|(_, value)| as_text(value));
        let id = ids.into_iter().find(|id| !garbage.contains(id))?;
        (id.chars().count() <= MAX_ORDER_ID_CHARS).then_some(id)
    }

    /// A field of `context`, by its exact name.
    pub(super) fn context(&self, name: &str) -> Option<&Value> {
        self.merged("context")?.get(name)
    }

    /// `context.traits`: what a browser remembers of the person while it sends other calls.
    pub fn context_traits(&self) -> Option<&Map<String, Value>> {
        self.context("traits")?.as_object()
    }

    /// The person's e-mail, see [`Call::email_contact`]; else what looks like one. Klaviyo does not take that, but the
    /// person's other calls may name them so too.
    pub fn email(&self, garbage: &GarbageIds) -> Option<String> {
        let usable = self.email_contact(garbage).map(|contact| contact.value);
        let looks = |value: &String| is_email(value) && !garbage.contains(value);
        let stated = || self.stated_emails().into_iter().map(|contact| contact.value);
        usable.or_else(|| stated().find(looks))
    }

    /// The person's phone as sent, see [`Call::phone_contact`]; else the first text under a key for phones that is no
    /// garbage.
    pub fn phone(&self, garbage: &GarbageIds) -> Option<String> {
        let usable = self.phone_contact(garbage).map(|contact| contact.value);
        let stated = || self.stated_phones().into_iter().map(|contact| contact.value);
        usable.or_else(|| stated().find(|value| !garbage.contains(value)))
    }

    /// The identifiers of every person that this call may be about, each once: it waits behind earlier events of each.
    /// `previousId` of an alias counts as both kinds of id, since it may be either.
    pub fn identifiers(&self, garbage: &GarbageIds) -> Vec<Identifier> {
        use IdentifierKind::{AnonymousId, Email, Phone, UserId};
        let mut named = vec![
            (UserId, self.user_id(garbage)),
            (AnonymousId, self.anonymous_id(garbage)),
            (Email, self.email(garbage)),
            (Email, self.user_id(garbage).filter(|id| is_email(id))),
            (Phone, self.phone(garbage)),
        ];
        if self.kind == EventType::Alias {
            let previous = self.id("previousId", garbage);
            named.push((Email, previous.clone().filter(|id| is_email(id))));
            named.push((UserId, previous.clone()));
            named.push((AnonymousId, previous));
        }
        let mut identifiers = Vec::with_capacity(named.len());
        for (kind, value) in named {
            let Some(identifier) = value.and_then(|value| Identifier::new(kind, &value)) else {
                continue;
            };
            if !garbage.contains(identifier.value()) && !identifiers.contains(&identifier) {
                identifiers.push(identifier);
            }
        }
        identifiers
    }

    /// `context.personas`: set when Segment Personas (Engage) computed this call.
    pub fn personas(&self) -> Option<&Map<String, Value>> {
        self.context("personas")?.as_object()
    }

    /// `context.timezone`.
    pub fn context_timezone(&self) -> Option<String> {
        let merged = self.merged("context");
        let exact = merged.and_then(|context| context.objects().find_map(|object| find(object, "timezone")));
        // In any spelling of `context`, where none is spelled so.
        let any = || find_path(&self.body, &["context", "timezone"]);
        exact.or_else(any).and_then(as_text)
    }
}

/// `null`, `{}`, and the empty array that PHP writes for it.
fn is_empty_object(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(body: &Value) -> Call {
        Call::read(&body.to_string(), None, None).unwrap()
    }

    fn ids(body: &Value) -> Vec<String> {
        let identifiers = call(body).identifiers(&GarbageIds::default());
        identifiers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everybody_a_call_may_be_about_is_named_once() {
        let identify = json!({"type": "identify", "userId": "A@b.co", "anonymousId": "x",
            "traits": {"Email": "a@B.co", "phone_number": "+1 555"}});
        assert_eq!(
            ids(&identify),
            ["user:A@b.co", "anonymous:x", "email:a@b.co", "phone:+1555"]
        );
        let track = json!({"type": "track", "userId": 42, "event": "e",
            "context": {"traits": {"email": "c@d.ef"}}, "traits": {"email": "ignored@x.yz"}});
        assert_eq!(ids(&track), ["user:42", "email:c@d.ef"]);
        let alias = json!({"type": "alias", "userId": "u", "previousId": "p"});
        assert_eq!(ids(&alias), ["user:u", "user:p", "anonymous:p"]);
    }

    #[test]
    fn the_order_is_found_in_any_spelling_and_the_first_decides() {
        let order = |properties: Value| {
            call(&json!({"type": "track", "properties": properties})).order_id(&GarbageIds::default())
        };
        for (properties, expected) in [
            (json!({"orderId": " o-1 "}), Some("o-1")),
            (json!({"order_id": 1001}), Some("1001")),
            (json!({"Order ID": "#1001"}), Some("#1001")),
            (json!({"order_id": "first", "orderId": "second"}), Some("first")),
            (json!({"order_id": null, "orderId": "second"}), Some("second")),
            (json!({"order_id": "undefined", "orderId": "second"}), Some("second")),
            (json!({"orderId": "undefined"}), None),
            (json!({"orderId": ["o-1"]}), None),
            (json!({"orderId": "9".repeat(256)}), None),
            (json!({"checkout_id": "c-1", "order": {"id": "o-1"}}), None),
            (json!("o-1"), None),
        ] {
            assert_eq!(order(properties.clone()).as_deref(), expected, "{properties}");
        }
    }

    #[test]
    fn garbage_ids_name_nobody() {
        assert!(ids(&json!({"type": "track", "userId": "null", "anonymousId": "undefined"})).is_empty());
        assert!(ids(&json!({"type": "track", "userId": null, "anonymousId": " "})).is_empty());
    }

    #[test]
    fn wrong_types_anywhere_are_no_panic_and_no_person() {
        let odd = json!({"type": "identify", "userId": ["x"], "traits": [], "context": "no",
            "properties": 7, "integrations": []});
        assert!(ids(&odd).is_empty());
        assert!(call(&odd).klaviyo_enabled());
    }

    #[test]
    fn the_batch_has_what_the_item_lacks() {
        let envelope = json!({"context": {"library": "outer", "ip": "1"}, "integrations": {"All": false}});
        let payload = json!({"type": "track", "context": {"library": {"name": "inner"}}});
        let envelope = Envelope::read(envelope.to_string().into()).unwrap();
        let call = Call::read(&payload.to_string(), Some(&envelope), None).unwrap();
        assert_eq!(call.context("library").unwrap()["name"], "inner");
        assert_eq!(call.context("ip").unwrap(), "1");
        assert!(!call.klaviyo_enabled());
    }

    #[test]
    fn numbers_keep_every_digit() {
        let text = r#"{"type":"track","properties":{"a":0.1,"b":12345678901234567890123,"c":1e400}}"#;
        let call = Call::read(text, None, None).unwrap();
        let properties = call.properties().unwrap();
        assert_eq!(
            serde_json::to_string(properties).unwrap(),
            r#"{"a":0.1,"b":12345678901234567890123,"c":1e400}"#
        );
    }
}
