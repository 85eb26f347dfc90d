//! Expected requests in short: what a case says of an event, a profile, a subscription or a deletion, without the frame
//! of JSON:API that is the same in all of them.

use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

/// The kinds that have a short form: the kind's word, the path, and what makes the body.
const FRAMES: [(&str, &str, fn(Members) -> Value); 4] = [
    ("event", "/api/events", event),
    ("profile", "/api/profile-import", profile),
    (
        "subscription",
        "/api/profile-subscription-bulk-create-jobs",
        subscription,
    ),
    ("deletion", "/api/data-privacy-deletion-jobs", deletion),
];

/// The expected request in full. One that is in full already stays as it is.
pub(super) fn whole(request: &Value) -> Value {
    let mut whole = request.clone();
    for (kind, path, frame) in FRAMES {
        let members = whole.as_object_mut().unwrap();
        if let Some(Value::Object(short)) = members.shift_remove(kind) {
            members.insert("kind".to_owned(), json!(kind));
            members.insert("path".to_owned(), json!(path));
            members.insert("body".to_owned(), json!({ "data": frame(short) }));
        }
    }
    whole
}

/// `{"metric": "Name", "profile": {…}, "time": …}`: the attributes, the metric by its name alone.
fn event(mut attributes: Members) -> Value {
    for (member, attributes_of) in [("metric", name as fn(Value) -> Value), ("profile", |of| of)] {
        if let Some(of) = attributes.get_mut(member) {
            *of = json!({"data": {"type": member, "attributes": attributes_of(of.take())}});
        }
    }
    json!({"type": "event", "attributes": attributes})
}

fn name(name: Value) -> Value {
    json!({ "name": name })
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
fn deletion(identifier: Members) -> Value {
    let person = json!({"type": "profile", "attributes": identifier});
    json!({"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": person}}})
}

#[test]
fn a_request_in_short_is_the_request_in_full() {
    let mut pairs = Vec::new();
    pairs.push((
        json!({"event": {"metric": "M", "profile": {"email": "a@b.co"}, "time": "t"}, "warnings": ["w"]}),
        json!({"kind": "event", "path": "/api/events", "warnings": ["w"], "body": {"data": {"type": "event",
        "attributes": {
            "metric": {"data": {"type": "metric", "attributes": {"name": "M"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@b.co"}}},
            "time": "t",
        }}}}),
    ));
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
