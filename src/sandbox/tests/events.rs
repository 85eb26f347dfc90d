//! Recording events: once each, for the right person.

use serde_json::{Value, json};

use super::{ABSENT, World, bulk, changed, event};
use crate::sandbox::{Keep, Options};

const PERSON: &str = "/data/attributes/profile/data/attributes";

#[tokio::test]
async fn an_event_is_accepted_with_an_empty_202_and_kept_digit_for_digit() {
    let world = World::new();
    let reply = world.post("/api/events", &event("order-1")).await;
    assert_eq!((reply.status, reply.text.as_str()), (202, ""));
    let held = world.sandbox.snapshot();
    let [kept] = held.events.as_slice() else {
        panic!("one event, not {}", held.events.len());
    };
    assert_eq!(kept.metric, "Placed Order");
    assert_eq!(kept.time.to_string(), "2026-11-23T09:59:58.000Z", "cut to the second");
    assert_eq!(kept.properties.get(), r#"{"OrderId":"order-1","Total":29.980}"#);
    assert_eq!(kept.ignored_properties, ["Gift", "Note"]);
    assert_eq!(kept.value.as_ref().unwrap().get(), "29.980");
    assert_eq!(held.profiles[0].identifiers["email"], "serena@klaviyo-demo.com");
    assert_eq!(kept.profile, held.profiles[0].id);
}

#[tokio::test]
async fn the_first_of_two_events_with_one_key_wins_and_both_are_counted() {
    let world = World::new();
    world.post("/api/events", &event("order-1")).await;
    let second = changed(&event("order-1"), "/data/attributes/value", json!(1));
    assert_eq!(world.post("/api/events", &second).await.status, 202);
    let held = world.sandbox.snapshot();
    assert_eq!(held.events.len(), 1);
    assert_eq!(held.events[0].sent, 2);
    assert_eq!(held.events[0].value.as_ref().unwrap().get(), "29.980");
    assert_eq!(held.counts.duplicate_events, 1);
    assert_eq!(held.counts.outcomes["duplicate"], 1);
}

#[tokio::test]
async fn another_metric_or_another_person_is_another_event() {
    let world = World::new();
    world.post("/api/events", &event("1")).await;
    let metric = "/data/attributes/metric/data/attributes/name";
    world
        .post("/api/events", &changed(&event("1"), metric, json!("Refunded")))
        .await;
    let email = format!("{PERSON}/email");
    world
        .post(
            "/api/events",
            &changed(&event("1"), &email, json!("b@klaviyo-demo.com")),
        )
        .await;
    assert_eq!(world.sandbox.snapshot().events.len(), 3);
}

#[tokio::test]
async fn without_a_key_one_event_per_second_is_kept() {
    let world = World::new();
    let unkeyed = changed(&event("1"), "/data/attributes/unique_id", json!(ABSENT));
    for time in [
        "2026-11-23T09:00:00.100Z",
        "2026-11-23T09:00:00.900Z",
        "2026-11-23T09:00:01Z",
    ] {
        world
            .post("/api/events", &changed(&unkeyed, "/data/attributes/time", json!(time)))
            .await;
    }
    let untimed = changed(&unkeyed, "/data/attributes/time", json!(ABSENT));
    world.post("/api/events", &untimed).await;
    let held = world.sandbox.snapshot();
    let times: Vec<String> = held.events.iter().map(|event| event.time.to_string()).collect();
    assert_eq!(
        times,
        [
            "2026-11-23T09:00:00.000Z",
            "2026-11-23T09:00:01.000Z",
            "2026-11-23T10:00:00.000Z"
        ]
    );
}

#[tokio::test]
async fn a_person_is_the_same_under_any_of_their_names() {
    let world = World::new();
    let named = |names: Value| changed(&event("1"), PERSON, names);
    world
        .post(
            "/api/events",
            &named(json!({ "email": "s@klaviyo-demo.com", "external_id": "7" })),
        )
        .await;
    world
        .post(
            "/api/events",
            &named(json!({ "external_id": "7", "phone_number": "+15005550006" })),
        )
        .await;
    world
        .post("/api/events", &named(json!({ "phone_number": "+15005550006" })))
        .await;
    world
        .post("/api/events", &named(json!({ "email": "S@Klaviyo-Demo.com" })))
        .await;
    let held = world.sandbox.snapshot();
    assert_eq!(held.profiles.len(), 1);
    assert_eq!((held.events.len(), held.events[0].sent), (1, 4));
}

#[tokio::test]
async fn a_name_stays_with_the_profile_that_has_it() {
    let world = World::new();
    let first = world.import(json!({ "external_id": "7" })).await;
    let second = world.import(json!({ "email": "s@klaviyo-demo.com" })).await;
    let both = json!({ "email": "s@klaviyo-demo.com", "external_id": "7" });
    world.post("/api/events", &changed(&event("1"), PERSON, both)).await;
    let held = world.sandbox.snapshot();
    assert_eq!(held.events[0].profile.to_string(), second, "the stronger name decides");
    assert_eq!(held.profiles[0].id.to_string(), first);
    assert_eq!(held.profiles[0].identifiers["external_id"], "7");
}

#[tokio::test]
async fn an_event_of_a_test_domain_or_of_a_wrong_id_vanishes_and_the_log_says_why() {
    let world = World::new();
    let email = format!("{PERSON}/email");
    for address in ["a@example.com", "A@Test.com"] {
        let dropped = changed(&event("1"), &email, json!(address));
        assert_eq!(world.post("/api/events", &dropped).await.status, 202);
    }
    let id = "/data/attributes/profile/data/id";
    let unknown = changed(&event("1"), id, json!("01GXXXXXXXXXXXXXXXXXXXXXXX"));
    assert_eq!(world.post("/api/events", &unknown).await.status, 202);
    let other = world.import(json!({ "email": "b@klaviyo-demo.com" })).await;
    world.import(json!({ "email": "serena@klaviyo-demo.com" })).await;
    let crossed = changed(&event("1"), id, json!(other));
    assert_eq!(world.post("/api/events", &crossed).await.status, 202);
    let held = world.sandbox.snapshot();
    assert_eq!(held.counts.events, 0);
    assert_eq!(held.counts.outcomes["dropped"], 4);
    let log = world.get("/sandbox/requests").await;
    let notes: Vec<_> = [0, 1, 2, 5].map(|at| log.body["requests"][at]["note"].as_str()).into();
    assert!(notes.iter().all(Option::is_some), "{notes:?}");
}

#[tokio::test]
async fn a_known_id_names_the_person() {
    let world = World::new();
    let id = world.import(json!({ "email": "serena@klaviyo-demo.com" })).await;
    let by_id = changed(&event("1"), "/data/attributes/profile/data/id", json!(id));
    let by_id = changed(&by_id, PERSON, json!({}));
    assert_eq!(world.post("/api/events", &by_id).await.status, 202);
    assert_eq!(world.sandbox.snapshot().events[0].profile.to_string(), id);
}

#[tokio::test]
async fn the_meta_of_an_events_person_stands_where_the_revision_has_it() {
    let world = World::new();
    let meta = json!({ "patch_properties": { "append": { "colours": "red" }, "unset": ["x"] } });
    let inside = changed(&event("1"), &format!("{PERSON}/meta"), meta.clone());
    let beside = changed(&event("1"), "/data/attributes/profile/data/meta", meta);
    for (revision, document, status) in [
        ("2026-10-15", &inside, 400),
        ("2026-10-15", &beside, 202),
        ("2026-07-15", &inside, 202),
        ("2026-07-15", &beside, 400),
    ] {
        let request = super::request(axum::http::Method::POST, "/api/events", document.to_string());
        let reply = world.send(super::with_header(request, "revision", revision)).await;
        assert_eq!(reply.status, status, "{revision} {}", reply.text);
    }
    let held = world.sandbox.snapshot();
    assert_eq!(held.profiles[0].properties["colours"], json!(["red", "red"]));
}

#[tokio::test]
async fn a_bulk_job_records_every_event_of_every_person() {
    let world = World::new();
    let job = bulk(&[("a@klaviyo-demo.com", &["1", "2"]), ("b@klaviyo-demo.com", &["1"])]);
    let reply = world.post("/api/event-bulk-create-jobs", &job).await;
    assert_eq!((reply.status, reply.text.as_str()), (202, ""));
    let again = bulk(&[("a@klaviyo-demo.com", &["2", "3"])]);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &again).await.status, 202);
    let held = world.sandbox.snapshot();
    assert_eq!((held.profiles.len(), held.events.len()), (2, 4));
    assert_eq!(held.counts.duplicate_events, 1);
}

#[tokio::test]
async fn a_bulk_job_that_repeats_a_key_fails_whole() {
    let world = World::new();
    world
        .import(json!({ "email": "a@klaviyo-demo.com", "external_id": "7" }))
        .await;
    let place = |person, nth| {
        format!("/data/attributes/events-bulk-create/data/{person}/attributes/events/data/{nth}/attributes/unique_id")
    };
    let within = bulk(&[("a@klaviyo-demo.com", &["1", "2", "1"])]);
    let reply = world.post("/api/event-bulk-create-jobs", &within).await;
    assert_eq!((reply.status, reply.pointers()), (400, vec![place(0, 2).as_str()]));
    // The same person under another name.
    let across = bulk(&[("a@klaviyo-demo.com", &["1"]), ("b@klaviyo-demo.com", &["1"])]);
    let pointer = "/data/attributes/events-bulk-create/data/1/attributes/profile/data/attributes";
    let across = changed(&across, pointer, json!({ "external_id": "7" }));
    let reply = world.post("/api/event-bulk-create-jobs", &across).await;
    assert_eq!((reply.status, reply.pointers()), (400, vec![place(1, 0).as_str()]));
    assert_eq!(world.sandbox.snapshot().counts.events, 0);
}

#[tokio::test]
async fn a_bulk_job_can_be_told_to_refuse_what_came_before() {
    let world = World::with(Options {
        bulk_refuses_stored: true,
        ..Options::default()
    });
    let job = bulk(&[("a@klaviyo-demo.com", &["1"])]);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &job).await.status, 202);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &job).await.status, 400);
    assert_eq!(world.sandbox.snapshot().events[0].sent, 1);
}

#[tokio::test]
async fn past_its_bounds_the_oldest_is_forgotten_and_counted() {
    let world = World::with(Options {
        keep: Keep {
            requests: 3,
            events: 2,
            profiles: 1,
            ..Keep::default()
        },
        ..Options::default()
    });
    let email = format!("{PERSON}/email");
    for n in 0..5 {
        let address = json!(format!("p{n}@klaviyo-demo.com"));
        world.post("/api/events", &changed(&event("1"), &email, address)).await;
    }
    let held = world.sandbox.snapshot();
    assert_eq!((held.counts.requests, held.counts.requests_dropped), (5, 2));
    assert_eq!((held.counts.events, held.counts.events_forgotten), (2, 3));
    assert_eq!((held.counts.profiles, held.counts.profiles_forgotten), (1, 4));
    assert_eq!(held.events[0].sequence, 4);
    let log = world.get("/sandbox/requests").await;
    assert_eq!(log.body["requests"][0]["number"], 3);
    assert_eq!(log.body["dropped"], 2);
}

#[tokio::test]
async fn traits_in_an_event_add_to_the_person_and_take_nothing() {
    let world = World::new();
    world
        .import(json!({ "email": "serena@klaviyo-demo.com", "title": "Player" }))
        .await;
    let traits = json!({
        "email": "serena@klaviyo-demo.com", "title": null, "first_name": "Serena",
        "properties": { "plan": "pro" },
    });
    world.post("/api/events", &changed(&event("1"), PERSON, traits)).await;
    let held = &world.sandbox.snapshot().profiles[0];
    assert_eq!(held.attributes["title"], "Player");
    assert_eq!(held.attributes["first_name"], "Serena");
    assert_eq!(held.properties["plan"], "pro");
}
