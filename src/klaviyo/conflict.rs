//! The way out of a refusal that is about a part that a request can go without: a 409 `duplicate_profile` (two
//! identifiers of one request belong to two profiles at Klaviyo), and a 400 whose pointer leads to such a part.

use serde_json::{Map, Value};

use super::limits::MAX_EVENT_PROPERTIES;
use crate::json;

/// From the weakest to the strongest: a number is shared and re-used, an external id is the shop's own and takes no
/// part in Klaviyo's merging, an e-mail is what Klaviyo is about. The strongest is never dropped.
const WEAKEST_FIRST: [&str; 3] = ["phone_number", "external_id", "email"];

/// The attributes that a profile or event can go without, as pointers into the attributes of each.
const OPTIONAL_OF_PROFILE: [&str; 12] = [
    "/email",
    "/phone_number",
    "/external_id",
    "/first_name",
    "/last_name",
    "/organization",
    "/title",
    "/location/city",
    "/location/country",
    "/location/region",
    "/location/zip",
    "/location/timezone",
];
const OPTIONAL_OF_EVENT: [&str; 5] = [
    "/value_currency",
    "/value",
    "/profile/data/attributes/email",
    "/profile/data/attributes/phone_number",
    "/profile/data/attributes/external_id",
];

/// The body of a profile or an event without its weakest identifier, which is kept as a custom property (of the
/// profile, or of the event). `None` when only one identifier is left, or when the body is of another kind.
pub fn without_weaker_identifier(body: &str) -> Option<String> {
    let (mut body, kind) = read(body)?;
    let attributes = body.pointer_mut("/data/attributes")?.as_object_mut()?;
    let names = names(attributes, kind)?;
    let (name, value) = take_weakest(names)?;
    finish(body, kind, name, value)
}

/// The body of a profile or an event without the optional attribute that a refusal's `source.pointer` leads to, and
/// its name; it is kept as a custom property. `None` when it is no such attribute, or the last identifier.
pub fn without_attribute(body: &str, pointer: &str) -> Option<(String, &'static str)> {
    let (mut body, kind) = read(body)?;
    let attributes = body.pointer_mut("/data/attributes")?;
    let optional = match kind {
        Kind::Profile => OPTIONAL_OF_PROFILE.as_slice(),
        Kind::Event => OPTIONAL_OF_EVENT.as_slice(),
    };
    // Klaviyo changes its bodies by revision: the end of the pointer counts.
    if pointer.contains("/properties/") {
        return None;
    }
    let mut places = optional.iter().filter_map(|place| place.rsplit_once('/'));
    let (parent, name) = places.find(|(_, name)| pointer.rsplit('/').next() == Some(*name))?;
    let parent = attributes.pointer_mut(parent)?.as_object_mut()?;
    if WEAKEST_FIRST.contains(&name) && identifiers(parent).len() < 2 {
        return None;
    }
    let value = parent.shift_remove(name).filter(|value| !value.is_null())?;
    Some((finish(body, kind, name, value)?, name))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Profile,
    Event,
}

fn read(body: &str) -> Option<(Value, Kind)> {
    let body: Value = json::from_str(body).ok()?;
    let kind = match body.pointer("/data/type")?.as_str()? {
        "profile" => Kind::Profile,
        "event" => Kind::Event,
        _ => return None,
    };
    Some((body, kind))
}

/// Where a body names its person.
fn names(attributes: &mut Map<String, Value>, kind: Kind) -> Option<&mut Map<String, Value>> {
    match kind {
        Kind::Profile => Some(attributes),
        Kind::Event => {
            let profile = attributes.get_mut("profile")?;
            profile.pointer_mut("/data/attributes")?.as_object_mut()
        }
    }
}

/// The body's text, with what was taken out of it among its properties.
fn finish(mut body: Value, kind: Kind, name: &str, value: Value) -> Option<String> {
    let attributes = body.pointer_mut("/data/attributes")?.as_object_mut()?;
    let properties = attributes
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()?;
    // An event that is full already goes without: one property too many would have it refused.
    if kind == Kind::Profile || properties.len() < MAX_EVENT_PROPERTIES {
        keep(properties, name, value);
    }
    Some(body.to_string())
}

/// The identifiers that name the person, the weakest first. A null is no name: it clears a field.
fn identifiers(names: &Map<String, Value>) -> Vec<&'static str> {
    let held = |name: &&str| names.get(*name).is_some_and(Value::is_string);
    WEAKEST_FIRST.into_iter().filter(held).collect()
}

fn take_weakest(names: &mut Map<String, Value>) -> Option<(&'static str, Value)> {
    let [weakest, _, ..] = identifiers(names)[..] else {
        return None;
    };
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
        without_weaker_identifier(&body.to_string()).map(|text| serde_json::from_str(&text).unwrap())
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
    fn an_optional_attribute_that_klaviyo_refuses_becomes_a_property() {
        let event = json!({"data": {"type": "event", "attributes": {"value_currency": "XBT", "properties": {"n": 1},
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@b.co", "external_id": "u1"}}}}}});
        let (body, name) = without_attribute(&event.to_string(), "/data/attributes/value_currency").unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(name, "value_currency");
        assert_eq!(
            body["data"]["attributes"]["properties"],
            json!({"n": 1, "value_currency": "XBT"})
        );
        assert_eq!(body.pointer("/data/attributes/value_currency"), None);

        let email = "/data/attributes/profile/data/attributes/email";
        let (body, _) = without_attribute(&event.to_string(), email).unwrap();
        let nobody = "/data/attributes/profile/data/attributes/external_id";
        assert_eq!(without_attribute(&body, nobody), None, "one name is left");

        let profile = json!({"data": {"type": "profile", "attributes": {"email": "a@b.co",
            "location": {"zip": "x", "city": "y"}}}});
        let (body, _) = without_attribute(&profile.to_string(), "/data/attributes/location/zip").unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let expected = json!({"email": "a@b.co", "location": {"city": "y"}, "properties": {"zip": "x"}});
        assert_eq!(body["data"]["attributes"], expected);
    }

    #[test]
    fn what_a_request_cannot_go_without_stays() {
        let event = json!({"data": {"type": "event", "attributes": {"properties": {"email": "x"}, "time": "t",
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@b.co", "external_id": "u1"}}}}}});
        for pointer in [
            "/data/attributes/time",
            "/data/attributes/properties/email",
            "/data/attributes/metric/data/attributes/name",
            "/data/attributes/value",
            "/data",
            "",
        ] {
            assert_eq!(without_attribute(&event.to_string(), pointer), None, "{pointer}");
        }
    }

    #[test]
    fn nothing_is_dropped_where_nothing_can_be() {
        let cleared = json!({"data": {"type": "profile", "attributes": {"external_id": "u1", "email": null}}});
        assert_eq!(without(&cleared), None);
        let job = json!({"data": {"type": "profile-subscription-bulk-create-job", "attributes": {}}});
        assert_eq!(without(&job), None);
        assert_eq!(without_weaker_identifier("not json"), None);
        assert_eq!(without_weaker_identifier("{}"), None);
    }
}
