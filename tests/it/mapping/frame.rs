//! Expected requests in short: what a case states of an event, a profile, a subscription or a deletion, without the
//! frame of JSON:API that is the same in all of them.

use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

/// The expected request in full. One that is in full already stays as it is.
pub(super) fn whole(request: &Value) -> Value {
    let mut whole = request.clone();
    let members = whole.as_object_mut().unwrap();
    for kind in ["event", "profile", "subscription", "deletion"] {
        if let Some(Value::Object(short)) = members.shift_remove(kind) {
            let (path, data) = match kind {
                "event" => ("/api/events", event(short)),
                "profile" => ("/api/profile-import", profile(short)),
                "subscription" => ("/api/profile-subscription-bulk-create-jobs", subscription(short)),
                _ => ("/api/data-privacy-deletion-jobs", deletion(&short)),
            };
            members.insert("kind".to_owned(), json!(kind));
            members.insert("path".to_owned(), json!(path));
            members.insert("body".to_owned(), json!({ "data": data }));
        }
    }
    whole
}

/// `{"metric": "Name", "profile": {…}, "time": …}`: the attributes, the metric by its name alone.
fn event(mut attributes: Members) -> Value {
    if let Some(name) = attributes.get_mut("metric") {
        *name = json!({"data": {"type": "metric", "attributes": {"name": *name}}});
    }
    if let Some(person) = attributes.get_mut("profile") {
        *person = json!({"data": {"type": "profile", "attributes": *person}});
    }
    json!({"type": "event", "attributes": attributes})
}

/// The attributes, and in `$unset` the properties that are deleted.
fn profile(mut attributes: Members) -> Value {
    let unset = attributes.shift_remove("$unset");
    let mut profile = json!({"type": "profile", "attributes": attributes});
    if let Some(unset) = unset {
        profile["meta"] = json!({"patch_properties": {"unset": unset}});
    }
    profile
}

/// `{"email": …, "list": …}`, and `consented_at` where nobody is asked to confirm.
fn subscription(mut short: Members) -> Value {
    let mut marketing = json!({"consent": "SUBSCRIBED"});
    let consented_at = short.shift_remove("consented_at");
    let person = short.shift_remove("email");
    let list = short.shift_remove("list");
    assert!(short.is_empty(), "{short:?}");
    let mut attributes = json!({});
    if let Some(time) = consented_at {
        marketing["consented_at"] = time;
        attributes["historical_import"] = json!(true);
    }
    let subscriptions = json!({"email": {"marketing": marketing}});
    let person = json!({"email": person, "subscriptions": subscriptions});
    attributes["profiles"] = json!({"data": [{"type": "profile", "attributes": person}]});
    json!({
        "type": "profile-subscription-bulk-create-job",
        "attributes": attributes,
        "relationships": {"list": {"data": {"type": "list", "id": list}}},
    })
}

/// The one identifier: `{"email": …}`.
fn deletion(identifier: &Members) -> Value {
    let person = json!({"type": "profile", "attributes": identifier});
    json!({"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": person}}})
}

#[test]
fn a_request_in_short_is_the_request_in_full() {
    let mut pairs = vec![(
        json!({"event": {"metric": "M", "profile": {"email": "a@b.co"}, "time": "t"}, "warnings": ["w"]}),
        json!({"kind": "event", "path": "/api/events", "warnings": ["w"], "body": {"data": {"type": "event",
        "attributes": {
            "metric": {"data": {"type": "metric", "attributes": {"name": "M"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@b.co"}}},
            "time": "t",
        }}}}),
    )];
    pairs.push((
        json!({"profile": {"email": "a@b.co", "$unset": ["p"]}}),
        json!({"kind": "profile", "path": "/api/profile-import", "body": {"data": {"type": "profile",
            "attributes": {"email": "a@b.co"}, "meta": {"patch_properties": {"unset": ["p"]}}}}}),
    ));
    let marketing = json!({"consent": "SUBSCRIBED", "consented_at": "t"});
    let person = json!({"email": "a@b.co", "subscriptions": {"email": {"marketing": marketing}}});
    pairs.push((
        json!({"subscription": {"email": "a@b.co", "list": "L", "consented_at": "t"}}),
        json!({"kind": "subscription", "path": "/api/profile-subscription-bulk-create-jobs", "body": {"data": {
            "type": "profile-subscription-bulk-create-job",
            "attributes": {"historical_import": true, "profiles": {"data": [{"type": "profile", "attributes": person}]}},
            "relationships": {"list": {"data": {"type": "list", "id": "L"}}},
        }}}),
    ));
    pairs.push((
        json!({"deletion": {"email": "a@b.co"}}),
        json!({"kind": "deletion", "path": "/api/data-privacy-deletion-jobs", "body": {"data": {
            "type": "data-privacy-deletion-job",
            "attributes": {"profile": {"data": {"type": "profile", "attributes": {"email": "a@b.co"}}}},
        }}}),
    ));
    for (short, full) in pairs {
        assert_eq!(whole(&short), full);
        assert_eq!(whole(&full), full);
    }
}
