//! Faults that are requested, as far as it shows in an answer; broken connections are in `wire`.

use axum::http::Method;
use serde_json::{Value, json};

use super::{World, bulk, changed, event};

const EVENTS: &str = "/api/events";

fn scripted(unique_id: &str, script: &Value) -> Value {
    changed(
        &event(unique_id),
        "/data/attributes/properties/sandbox_script",
        script.clone(),
    )
}

#[tokio::test]
async fn faults_apply_in_order_and_are_counted_down() {
    let world = World::new();
    let orders = json!([{ "status": 503, "next": 2 }, { "status": 429, "headers": { "Retry-After": 7 }, "next": 1 }]);
    let placed = world.post("/sandbox/faults", &orders).await;
    assert_eq!(placed.status, 201);
    for expected in [503, 503, 429, 202] {
        let reply = world.post(EVENTS, &event("1")).await;
        assert_eq!(reply.status, expected);
        if expected == 429 {
            assert_eq!(reply.header("retry-after"), Some("7"));
            assert_eq!(reply.body["errors"][0]["code"], "throttled");
        }
    }
    let held = world.sandbox.snapshot();
    assert_eq!(
        held.events[0].sent, 1,
        "a request that met a fault never reached the account"
    );
    assert_eq!((held.counts.outcomes["fault"], held.counts.outcomes["stored"]), (3, 1));
    assert_eq!(world.get("/sandbox/faults").await.body["faults"], json!([]));
}

#[tokio::test]
async fn a_fault_hits_only_its_path_its_method_and_its_words() {
    let world = World::new();
    let order = json!({ "status": 500, "path": "/api/events", "method": "post", "match": "order-2" });
    world.post("/sandbox/faults", &order).await;
    assert_eq!(world.post(EVENTS, &event("order-1")).await.status, 202);
    assert_eq!(world.post(EVENTS, &event("order-2")).await.status, 500);
    assert_eq!(world.get(EVENTS).await.status, 200);
    let job = bulk(&[("a@klaviyo-demo.com", &["order-2"])]);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &job).await.status, 202);
    let listed = world.get("/sandbox/faults").await;
    assert_eq!(listed.body["faults"][0]["hits"], 1);
    assert_eq!(listed.body["faults"][0]["next"], Value::Null, "until it is cleared");
    assert_eq!(
        world.call(Method::DELETE, "/sandbox/faults", &json!({})).await.body["cleared"],
        1
    );
    assert_eq!(world.post(EVENTS, &event("order-2")).await.status, 202);
}

#[tokio::test]
async fn a_canned_answer_has_the_ordered_body_and_headers() {
    let world = World::new();
    let orders = json!([
        { "status": 403, "body": "<html>challenge</html>", "headers": { "cf-mitigated": "challenge" }, "next": 1 },
        { "status": 400, "body": { "errors": [] }, "next": 1 },
        { "status": 502, "next": 1 },
        { "status": 403, "next": 1 },
        { "status": 200, "body": "1", "headers": { "content-type": "text/plain" }, "next": 1 },
    ]);
    world.post("/sandbox/faults", &orders).await;
    let page = world.post(EVENTS, &event("1")).await;
    assert_eq!((page.status, page.text.as_str()), (403, "<html>challenge</html>"));
    assert_eq!(page.header("content-type"), Some("text/html; charset=UTF-8"));
    assert_eq!(page.header("cf-mitigated"), Some("challenge"));
    let document = world.post(EVENTS, &event("1")).await;
    assert_eq!(document.body, json!({ "errors": [] }));
    assert_eq!(document.header("content-type"), Some("application/vnd.api+json"));
    assert!(world.post(EVENTS, &event("1")).await.text.starts_with("<html>"));
    assert_eq!(
        world.post(EVENTS, &event("1")).await.body["errors"][0]["code"],
        "permission_denied"
    );
    let plain = world.post(EVENTS, &event("1")).await;
    assert_eq!(
        (plain.text.as_str(), plain.header("content-type")),
        ("1", Some("text/plain"))
    );
}

#[tokio::test]
async fn a_delayed_answer_is_of_a_request_that_was_dealt_with_before() {
    let world = World::new();
    let order = json!({ "delay_ms": 3_600_000, "next": 1 });
    world.post("/sandbox/faults", &order).await;
    let sandbox = world.sandbox.clone();
    let waiting = tokio::spawn(async move {
        use tower::ServiceExt;
        let post = super::request(Method::POST, EVENTS, event("1").to_string());
        sandbox.routes().oneshot(post).await.unwrap().status()
    });
    while world.sandbox.snapshot().counts.events == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    world.call(Method::DELETE, "/sandbox/faults", &json!({})).await;
    assert_eq!(waiting.await.unwrap(), 202, "let go, the answer leaves at once");
}

#[tokio::test]
async fn a_script_in_an_event_takes_one_step_each_time_it_is_sent() {
    let world = World::new();
    let first = scripted(
        "1",
        &json!([500, 202, { "status": 429, "headers": { "retry-after": "3" } }]),
    );
    let other = scripted("2", &json!([503]));
    assert_eq!(world.post(EVENTS, &first).await.status, 500);
    assert_eq!(world.post(EVENTS, &other).await.status, 503);
    assert_eq!(world.post(EVENTS, &first).await.status, 202);
    let throttled = world.post(EVENTS, &first).await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("3")));
    for _ in 0..2 {
        assert_eq!(
            world.post(EVENTS, &first).await.status,
            202,
            "as usual after the last step"
        );
        assert_eq!(world.post(EVENTS, &other).await.status, 202);
    }
}

#[tokio::test]
async fn a_script_works_in_a_bulk_job_and_without_a_key() {
    let world = World::new();
    let job = bulk(&[("a@klaviyo-demo.com", &["1", "2"])]);
    let properties = "/data/attributes/events-bulk-create/data/0/attributes/events/data/1/attributes/properties";
    let job = changed(&job, properties, json!({ "sandbox_script": [500] }));
    assert_eq!(world.post("/api/event-bulk-create-jobs", &job).await.status, 500);
    assert_eq!(world.post("/api/event-bulk-create-jobs", &job).await.status, 202);
    let unkeyed = changed(
        &scripted("1", &json!([503])),
        "/data/attributes/unique_id",
        json!(super::ABSENT),
    );
    assert_eq!(world.post(EVENTS, &unkeyed).await.status, 503);
    assert_eq!(world.post(EVENTS, &unkeyed).await.status, 202);
}

#[tokio::test]
async fn a_script_works_in_a_profile() {
    let world = World::new();
    let serena = json!({ "external_id": "7", "properties": { "sandbox_script": [503, 429] } });
    for expected in [503, 429, 201, 200] {
        let reply = world.post("/api/profile-import", &super::profile(serena.clone())).await;
        assert_eq!(reply.status, expected);
    }
}

#[tokio::test]
async fn faults_do_not_pile_up_without_end() {
    let world = World::new();
    let many = json!(vec![json!({ "status": 500 }); 1_000]);
    assert_eq!(world.post("/sandbox/faults", &many).await.status, 201);
    assert_eq!(
        world.post("/sandbox/faults", &json!({ "status": 500 })).await.status,
        400
    );
}

#[tokio::test]
async fn a_wrong_script_is_refused_with_its_step() {
    let world = World::new();
    for script in [
        json!("lost"),
        json!([42]),
        json!(["slow"]),
        json!([{ "next": 1 }]),
        json!([null]),
    ] {
        let reply = world.post(EVENTS, &scripted("1", &script)).await;
        assert_eq!(reply.status, 400, "{script}");
        assert_eq!(reply.pointers(), ["/data/attributes/properties/sandbox_script"]);
    }
}

#[tokio::test]
async fn a_wrong_order_is_refused_with_the_key_named() {
    let world = World::new();
    for (order, named) in [
        (json!(7), "object"),
        (json!({}), "nothing to do"),
        (json!({ "next": 2 }), "nothing to do"),
        (json!({ "stauts": 500 }), "stauts"),
        (json!({ "status": 99 }), "status"),
        (json!({ "status": "500" }), "status"),
        (json!({ "status": 500, "next": 0 }), "next"),
        (json!({ "hang": "yes" }), "hang"),
        (json!({ "body": {} }), "body"),
        (json!({ "lost": true, "headers": {} }), "headers"),
        (json!({ "status": 500, "headers": { "a b": "c" } }), "headers.a b"),
        (json!({ "status": 500, "headers": { "a": "c\nd" } }), "headers.a"),
        (json!({ "status": 500, "hang": true }), "exclude"),
        (json!({ "reset": true, "lost": true }), "exclude"),
        (json!([{ "status": 500 }, { "delay_ms": -1 }]), "delay_ms"),
        (json!({ "reset": true, "path": 1 }), "path"),
    ] {
        let reply = world.post("/sandbox/faults", &order).await;
        assert_eq!(reply.status, 400, "{order}");
        let error = reply.body["error"].as_str().unwrap();
        assert!(error.contains(named), "{order}: {error}");
    }
    assert_eq!(
        world.get("/sandbox/faults").await.body["faults"],
        json!([]),
        "all or none"
    );
}
