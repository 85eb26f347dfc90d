//! The strict check: each wrong document is refused at the very place that is wrong.

use axum::http::Method;
use serde_json::{Value, json};

use super::{ABSENT, World, bulk, changed, event, profile, request, with_header};

const PERSON: &str = "/data/attributes/profile/data/attributes";
const METRIC: &str = "/data/attributes/metric/data/attributes/name";

async fn refused_at(path: &str, cases: &[(&str, Value)], right: &Value) {
    let world = World::new();
    for (pointer, value) in cases {
        let reply = world.post(path, &changed(right, pointer, value.clone())).await;
        let shown: String = value.to_string().chars().take(60).collect();
        assert_eq!(reply.status, 400, "{pointer} {shown}");
        assert_eq!(reply.pointers(), [*pointer], "{pointer} {shown}");
        let error = &reply.body["errors"][0];
        assert_eq!(error["code"], "invalid");
        assert!(error["id"].is_string() && error["detail"].is_string());
    }
    let held = world.sandbox.snapshot();
    assert_eq!((held.profiles.len(), held.events.len()), (0, 0));
}

#[tokio::test]
async fn wrong_fields_of_an_event_are_refused_at_their_place() {
    let cases = [
        ("/data/type", json!("events")),
        ("/data/id", json!("1")),
        ("/data/attributes/properties", json!(ABSENT)),
        ("/data/attributes/properties", json!(null)),
        ("/data/attributes/properties", json!([])),
        ("/data/attributes/value", json!("9.99")),
        ("/data/attributes/value", json!(true)),
        ("/data/attributes/value_currency", json!("usd")),
        ("/data/attributes/value_currency", json!("Dollar")),
        ("/data/attributes/unique_id", json!("")),
        ("/data/attributes/unique_id", json!("x".repeat(256))),
        ("/data/attributes/unique_id", json!(1234)),
        ("/data/attributes/backfill", json!("true")),
        ("/data/attributes/event_id", json!("1")),
        ("/data/attributes/metric", json!(ABSENT)),
        (METRIC, json!("")),
        (METRIC, json!("x".repeat(128))),
        ("/data/attributes/profile", json!(ABSENT)),
        (PERSON, json!(ABSENT)),
        (PERSON, json!({})),
        (PERSON, json!({ "email": null })),
    ];
    refused_at("/api/events", &cases, &event("1")).await;
}

#[tokio::test]
async fn wrong_times_of_an_event_are_refused() {
    let time = |text: &str| ("/data/attributes/time", json!(text));
    let cases = [
        ("/data/attributes/time", json!(1_795_427_998)),
        time("1795427998"),
        time("yesterday"),
        time(""),
        time("2026-11-23t10:00:00Z"),
        time("2026-11-23 10:00:00"),
        time("2026-13-01"),
        time("2026-11-23T10:00:00.5.5Z"),
        time("1990-01-01T00:00:00Z"),
        time("2027-11-23T10:00:01Z"),
    ];
    refused_at("/api/events", &cases, &event("1")).await;
}

#[tokio::test]
async fn every_iso_form_of_a_time_is_taken() {
    let world = World::new();
    for text in [
        "2026-11-23",
        "2026-11-23T10",
        "2026-11-23T10:00",
        "2026-11-23T10:00:00",
        "2026-11-23T10:00:00Z",
        "2026-11-23T10:00:00.123456Z",
        "2026-11-23T10:00:00+01:00",
        "2026-11-23T10:00-05:00",
        "1990-01-01T00:00:01Z",
        "2027-11-23T10:00:00Z",
    ] {
        let timed = changed(&event("1"), "/data/attributes/time", json!(text));
        assert_eq!(world.post("/api/events", &timed).await.status, 202, "{text}");
    }
}

#[tokio::test]
async fn older_revisions_know_less() {
    let world = World::new();
    let backfill = changed(&event("1"), "/data/attributes/backfill", json!(true));
    let early = changed(&event("2"), "/data/attributes/time", json!("1995-01-01"));
    let properties: serde_json::Map<String, Value> = (0..301).map(|n| (format!("p{n}"), json!(1))).collect();
    let many = changed(&event("3"), "/data/attributes/properties", Value::Object(properties));
    for (revision, document, status) in [
        ("2026-04-15", &backfill, 202),
        ("2026-01-15", &backfill, 400),
        ("2026-07-15", &early, 202),
        ("2026-04-15", &early, 400),
        ("2025-04-15", &many, 202),
        ("2025-01-15", &many, 400),
    ] {
        let post = request(Method::POST, "/api/events", document.to_string());
        let reply = world.send(with_header(post, "revision", revision)).await;
        assert_eq!(reply.status, status, "{revision} {}", reply.text);
    }
}

#[tokio::test]
async fn wrong_values_in_properties_are_refused_where_they_stand() {
    let mut deep = json!({ "end": 1 });
    for _ in 0..9 {
        deep = json!({ "in": deep });
    }
    let place = "/data/attributes/properties/p";
    let cases = [
        ("/data/attributes/properties/p", json!("x".repeat(100_001))),
        ("/data/attributes/properties/p", json!(vec![1; 4_001])),
        ("/data/attributes/properties/a~1b", json!(u64::MAX)),
    ];
    let world = World::new();
    for (pointer, value) in cases {
        let name = if pointer.ends_with('p') { "p" } else { "a/b" };
        let document = changed(&event("1"), "/data/attributes/properties", json!({ name: value }));
        let reply = world.post("/api/events", &document).await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![pointer]));
    }
    // Ten levels of objects with the properties themselves; one more is too deep.
    let fits = changed(&event("1"), place, deep["in"].clone());
    assert_eq!(world.post("/api/events", &fits).await.status, 202);
    let reply = world.post("/api/events", &changed(&event("1"), place, deep)).await;
    assert_eq!((reply.status, reply.pointers().len()), (400, 1));
    let text = event("1").to_string();
    for number in ["12345678901234567890", "-9223372036854775809", "1e400"] {
        let body = text.replacen("29.980", number, 1);
        let reply = world.send(request(Method::POST, "/api/events", body)).await;
        assert_eq!(reply.pointers(), ["/data/attributes/properties/Total"], "{number}");
    }
    let largest = text.replacen("29.980", "9223372036854775807", 1);
    assert_eq!(
        world.send(request(Method::POST, "/api/events", largest)).await.status,
        202
    );
}

#[tokio::test]
async fn the_limits_hold_to_the_last_one() {
    let world = World::new();
    let named = |count: usize| -> Value {
        let members = (0..count).map(|n| (format!("p{n}"), json!(1)));
        Value::Object(members.collect())
    };
    let properties = "/data/attributes/properties";
    let texts = |bytes: usize| json!({ "p": "x".repeat(bytes) });
    let person = |bytes: usize| json!({ "email": "a@klaviyo-demo.com", "properties": { "p": "x".repeat(bytes) } });
    for (pointer, fits, too_much) in [
        (properties, named(400), named(401)),
        (properties, texts(100_000), texts(100_001)),
        (
            properties,
            json!({ "p": vec![1; 4_000] }),
            json!({ "p": vec![1; 4_001] }),
        ),
        (METRIC, json!("x".repeat(127)), json!("x".repeat(128))),
        (
            "/data/attributes/unique_id",
            json!("é".repeat(255)),
            json!("é".repeat(256)),
        ),
        (PERSON, person(94_800), person(95_000)),
    ] {
        let reply = world.post("/api/events", &changed(&event("1"), pointer, fits)).await;
        assert_eq!(reply.status, 202, "{pointer} {}", reply.text);
        let reply = world
            .post("/api/events", &changed(&event("1"), pointer, too_much))
            .await;
        assert_eq!(reply.status, 400, "{pointer}");
    }
    let reply = world.post("/api/profile-import", &profile(person(99_800))).await;
    assert_eq!(reply.status, 200, "the event had made the profile");
    let reply = world.post("/api/profile-import", &profile(person(100_000))).await;
    assert_eq!((reply.status, reply.pointers()), (400, vec!["/data"]));
}

#[tokio::test]
async fn wrong_fields_of_a_profile_are_refused_at_their_place() {
    let right = profile(json!({ "external_id": "7", "location": {}, "properties": {} }));
    let at = |name: &str| format!("/data/attributes/{name}");
    let email = at("email");
    let phone = at("phone_number");
    let [title, city, id] = [at("title"), at("location/city"), at("external_id")];
    let [anonymous, extra, fixed] = [at("anonymous_id"), at("$city"), at("created")];
    let long = format!("{}@klaviyo-demo.com", "x".repeat(84));
    let cases = [
        (email.as_str(), json!("serena")),
        (&email, json!("a b@klaviyo-demo.com")),
        (&email, json!("a@@klaviyo-demo.com")),
        (&email, json!("a@localhost")),
        (&email, json!("a@.com")),
        (&email, json!("")),
        (&email, json!(42)),
        (&email, json!(long)),
        (&phone, json!("5005550006")),
        (&phone, json!("+1 500 555 0006")),
        (&phone, json!("+0500555000")),
        (&phone, json!("+1234567890123456")),
        (&title, json!(["x"])),
        (&city, json!(1)),
        (&id, json!(7)),
        (&id, json!(" ")),
        (&anonymous, json!("a1")),
        (&extra, json!("Palm Beach")),
        (&fixed, json!("2026-11-23")),
        ("/data/attributes/properties", json!([])),
        ("/data/attributes", json!({ "title": "x" })),
        ("/data/meta", json!(null)),
        ("/data/relationships", json!({})),
    ];
    refused_at("/api/profile-import", &cases, &right).await;
}

#[tokio::test]
async fn a_patch_that_unsets_no_names_is_refused() {
    let world = World::new();
    let mut document = profile(json!({ "external_id": "7" }));
    document["data"]["meta"] = json!({ "patch_properties": { "unset": [1] } });
    let reply = world.post("/api/profile-import", &document).await;
    assert_eq!(reply.pointers(), ["/data/meta/patch_properties/unset"]);
}

#[tokio::test]
async fn one_wrong_event_refuses_the_whole_bulk_job_and_is_pointed_at() {
    let world = World::new();
    let job = bulk(&[("a@klaviyo-demo.com", &["1"]), ("b@klaviyo-demo.com", &["2", "3"])]);
    let before = "/data/attributes/events-bulk-create/data/1/attributes";
    for wrong in ["events/data/1/attributes/value", "profile/data/attributes/email"] {
        let pointer = format!("{before}/{wrong}");
        let reply = world
            .post("/api/event-bulk-create-jobs", &changed(&job, &pointer, json!("wrong")))
            .await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![pointer.as_str()]));
    }
    assert_eq!(world.sandbox.snapshot().counts.events, 0);
}

#[tokio::test]
async fn a_bulk_job_has_at_most_a_thousand_events_over_all_people() {
    let world = World::new();
    let keys: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let fits = bulk(&[
        ("a@klaviyo-demo.com", &keys[..500]),
        ("b@klaviyo-demo.com", &keys[..500]),
    ]);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &fits).await.status, 202);
    let more = bulk(&[("a@klaviyo-demo.com", &keys), ("b@klaviyo-demo.com", &keys[..500])]);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &more).await.status, 400);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let world = World::new();
    let document = changed(&event("1"), "/data/attributes/value", json!("9.99"));
    let document = changed(&document, "/data/attributes/colour", json!("red"));
    let reply = world.post("/api/events", &document).await;
    assert_eq!(reply.pointers(), ["/data/attributes/value", "/data/attributes/colour"]);
    let log = world.get("/sandbox/requests").await;
    assert_eq!(log.body["requests"][0]["outcome"], "refused");
    assert_eq!(log.body["requests"][0]["unique_id"], "1");
}

#[tokio::test]
async fn anything_at_all_is_answered_without_a_panic() {
    let world = World::new();
    let shapes = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "data": [] }),
        json!({ "data": {} }),
        json!({ "data": { "attributes": [] } }),
        json!({ "data": [null] }),
        json!({ "data": { "attributes": { "events-bulk-create": { "data": [1, {}, null] } } } }),
        json!({ "data": { "attributes": { "profiles": { "data": [1, {}, { "attributes": 1 }] } } } }),
    ];
    for path in [
        "/api/events",
        "/api/event-bulk-create-jobs",
        "/api/profile-import",
        "/api/profile-bulk-import-jobs",
        "/api/profile-subscription-bulk-create-jobs",
        "/api/lists/L/relationships/profiles",
        "/api/data-privacy-deletion-jobs",
    ] {
        for shape in &shapes {
            let reply = world.post(path, shape).await;
            assert_eq!(reply.status, 400, "{path} {shape}");
        }
    }
}
