//! The way out of a 409 `duplicate_profile`: two identifiers of one request belong to two profiles at Klaviyo.

use serde_json::{Map, Value};

use super::limits::MAX_EVENT_PROPERTIES;
use crate::json;

/// From the weakest to the strongest: a number is shared and re-used, an external id is the shop's own and takes no
/// part in Klaviyo's merging, an e-mail is what Klaviyo is about. The strongest is never dropped.
const WEAKEST_FIRST: [&str; 3] = ["phone_number", "external_id", "email"];

/// The body of a profile or an event without its weakest identifier, which is kept as a custom property (of the
/// profile, or of the event). `None` when only one identifier is left, or when the body is of another kind.
pub fn without_weaker_identifier(body: &str) -> Option<String> {
    let mut body = json::from_str(body).ok()?;
    let is_event = match body.pointer("/data/type")?.as_str()? {
        "profile" => false,
        "event" => true,
        _ => return None,
    };
    let attributes = body.pointer_mut("/data/attributes")?.as_object_mut()?;
    let names = if is_event {
        let profile = attributes.get_mut("profile")?;
        profile.pointer_mut("/data/attributes")?.as_object_mut()?
    } else {
        &mut *attributes
    };
    let (name, value) = take_weakest(names)?;
    let properties = attributes
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()?;
    // An event that is full already goes without: one property too many would have it refused.
    if !is_event || properties.len() < MAX_EVENT_PROPERTIES {
        keep(properties, name, value);
    }
    Some(body.to_string())
}

fn take_weakest(names: &mut Map<String, Value>) -> Option<(&'static str, Value)> {
    // A null names nobody: it clears a field.
    let held = |name: &str| names.get(name).is_some_and(Value::is_string);
    let weakest = WEAKEST_FIRST.into_iter().find(|name| held(name))?;
    let others = WEAKEST_FIRST.into_iter().filter(|name| held(name)).count() - 1;
    if others == 0 {
        return None;
    }
    names.shift_remove(weakest).map(|value| (weakest, value))
}

/// Keeps the identifier under its own name, or under the next free one: the sender's properties stay as they are.
fn keep(properties: &mut Map<String, Value>, name: &str, value: Value) {
    let mut key = name.to_owned();
    let mut number = 1;
    while properties.get(&key).is_some_and(|taken| *taken != value) {
        number += 1;
        key = format!("{name}_{number}");
    }
    properties.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn without(body: &Value) -> Option<Value> {
        without_weaker_identifier(&body.to_string())
            .map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_profile_loses_its_phone_first_and_then_its_external_id_but_never_its_email() {
        let body = json!({"data": {"type": "profile", "attributes": {
            "email": "a@b.co", "phone_number": "+15550109999", "external_id": "u1"}}});
        let once = without(&body).unwrap();
        assert_eq!(
            once,
            json!({"data": {"type": "profile", "attributes": {"email": "a@b.co", "external_id": "u1",
                "properties": {"phone_number": "+15550109999"}}}})
        );
        let twice = without(&once).unwrap();
        assert_eq!(
            twice,
            json!({"data": {"type": "profile", "attributes": {"email": "a@b.co",
                "properties": {"phone_number": "+15550109999", "external_id": "u1"}}}})
        );
        assert_eq!(without(&twice), None);
    }

    #[test]
    fn an_event_keeps_the_identifier_among_its_own_properties_to_the_digit() {
        let body = r#"{"data":{"type":"event","attributes":{"properties":{"n":0.10,"external_id":"other"},"profile":{"data":{"type":"profile","attributes":{"email":"a@b.co","external_id":"u1"}}}}}}"#;
        assert_eq!(
            without_weaker_identifier(body).unwrap(),
            r#"{"data":{"type":"event","attributes":{"properties":{"n":0.10,"external_id":"other","external_id_2":"u1"},"profile":{"data":{"type":"profile","attributes":{"email":"a@b.co"}}}}}}"#
        );
    }

    #[test]
    fn nothing_is_dropped_where_nothing_can_be() {
        let cleared = json!({"data": {"type": "profile", "attributes": {"external_id": "u1", "email": null}}});
        assert_eq!(without(&cleared), None);
        let job =
            json!({"data": {"type": "profile-subscription-bulk-create-job", "attributes": {}}});
        assert_eq!(without(&job), None);
        assert_eq!(without_weaker_identifier("not json"), None);
        assert_eq!(without_weaker_identifier("{}"), None);
    }
}
