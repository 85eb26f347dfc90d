//! The sandbox's own paths.

use axum::http::Method;
use serde_json::json;

use super::{World, event, request, with_header};

#[tokio::test]
async fn the_log_has_every_request_with_its_body_byte_for_byte() {
    let world = World::new();
    let body = event("order-1").to_string().replacen("29.980", "29.980 ", 1);
    world.send(request(Method::POST, "/api/events", body.clone())).await;
    world
        .send(request(Method::POST, "/api/events?x=1", "no json".to_owned()))
        .await;
    world.get("/api/accounts").await;
    let reply = world.get("/sandbox/requests").await;
    assert!(reply.text.contains(&body), "{}", reply.text);
    assert!(!reply.text.contains("pk_"), "no key is in the log");
    let [first, second, third] = reply.body["requests"].as_array().unwrap().as_slice() else {
        panic!("three requests: {}", reply.text);
    };
    assert_eq!(first["number"], 1);
    assert_eq!(first["outcome"], "stored");
    assert_eq!(first["status"], 202);
    assert_eq!(first["metric"], "Placed Order");
    assert_eq!(first["unique_id"], "order-1");
    assert_eq!(first["revision"], "2026-10-15");
    assert_eq!(first["time"], "2026-11-23T10:00:00.000Z");
    assert_eq!(first["profile"], world.sandbox.snapshot().profiles[0].id.to_string());
    assert_eq!(
        (&second["body"], &second["outcome"]),
        (&json!("no json"), &json!("refused"))
    );
    assert_eq!(second["path"], "/api/events?x=1");
    assert_eq!((&third["body"], &third["outcome"]), (&json!(null), &json!("read")));
}

#[tokio::test]
async fn the_log_is_read_in_parts() {
    let world = World::new();
    for n in 0..5 {
        world.post("/api/events", &event(&n.to_string())).await;
    }
    let reply = world.get("/sandbox/requests?after=2&limit=2").await;
    let numbers: Vec<u64> = reply.body["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|request| request["number"].as_u64())
        .collect();
    assert_eq!(numbers, [3, 4]);
    assert_eq!(reply.body["total"], 5);
    let events = world.get("/sandbox/events?after=4").await;
    assert_eq!(events.body["events"][0]["sequence"], 5);
    let profiles = world.get("/sandbox/profiles?after=1").await;
    assert_eq!(
        (&profiles.body["profiles"], &profiles.body["total"]),
        (&json!([]), &json!(1))
    );
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let world = World::new();
    world.post("/api/events", &event("1")).await;
    world.post("/sandbox/faults", &json!({ "status": 500 })).await;
    assert_eq!(world.call(Method::DELETE, "/sandbox", &json!({})).await.status, 200);
    let held = world.sandbox.snapshot();
    assert_eq!(
        (held.counts.requests, held.counts.events, held.counts.profiles),
        (0, 0, 0)
    );
    assert_eq!(world.post("/api/events", &event("1")).await.status, 202);
    assert_eq!(world.sandbox.snapshot().events[0].sent, 1);
}

#[tokio::test]
async fn wrong_input_is_answered_in_words() {
    let world = World::new();
    for path in [
        "/sandbox/requests?after=x",
        "/sandbox/requests?limit=0",
        "/sandbox/events?limit=1000000",
        "/sandbox/lists?page=2",
    ] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, 400, "{path}");
        assert!(reply.body["error"].is_string(), "{path}");
    }
    let broken = request(Method::POST, "/sandbox/faults", "{".to_owned());
    let reply = world.send(broken).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body["error"].is_string());
    assert_eq!(world.get("/sandbox/nowhere").await.status, 404);
    assert!(world.get("/sandbox/nowhere").await.body["error"].is_string());
    let wrong_method = world.call(Method::PUT, "/sandbox/events", &json!({})).await;
    assert_eq!(wrong_method.status, 405);
    assert!(wrong_method.body["error"].is_string());
    let large = request(Method::POST, "/sandbox/faults", "x".repeat(2_000_000));
    assert_eq!(world.send(large).await.status, 413);
    assert_eq!(
        world.sandbox.snapshot().counts.requests,
        0,
        "its own paths are not logged"
    );
}

#[tokio::test]
async fn the_counts_are_the_snapshots() {
    let world = World::new();
    world.post("/api/events", &event("1")).await;
    world.post("/api/events", &event("1")).await;
    let shown = world.get("/sandbox").await.body;
    let counts = serde_json::to_value(world.sandbox.snapshot().counts).unwrap();
    assert_eq!(shown, counts);
    assert_eq!(shown["outcomes"]["duplicate"], 1);
}

#[tokio::test]
async fn a_web_page_elsewhere_reads_and_changes_nothing() {
    let world = World::new();
    world.import(json!({"email": "ann@shop.example"})).await;
    let fault = json!({"status": 401}).to_string();
    let rebound = |method, path: &str, body: &str| {
        let request = request(method, path, body.to_owned());
        with_header(request, "host", "evil.example")
    };
    for (method, path, body) in [
        (Method::GET, "/sandbox", ""),
        (Method::GET, "/sandbox/requests", ""),
        (Method::GET, "/sandbox/profiles", ""),
        (Method::POST, "/sandbox/faults", fault.as_str()),
        (Method::DELETE, "/sandbox/faults", ""),
        (Method::DELETE, "/sandbox", ""),
    ] {
        let reply = world.send(rebound(method, path, body)).await;
        assert_eq!(reply.status, 421, "{path}: {}", reply.text);
        assert!(!reply.text.contains("ann@"), "{}", reply.text);
    }
    let sent = |name, value, method, path: &str| with_header(request(method, path, fault.clone()), name, value);
    for (name, value, method, path, status) in [
        ("content-type", "text/plain", Method::POST, "/sandbox/faults", 415),
        ("origin", "https://evil.example", Method::POST, "/sandbox/faults", 403),
        ("sec-fetch-site", "cross-site", Method::POST, "/sandbox/faults", 403),
        ("sec-fetch-site", "cross-site", Method::DELETE, "/sandbox", 403),
        ("origin", "null", Method::DELETE, "/sandbox/faults", 403),
    ] {
        let reply = world.send(sent(name, value, method, path)).await;
        assert_eq!(reply.status, status, "{name}: {value}: {}", reply.text);
    }
    let held = world.get("/sandbox").await;
    assert_eq!(held.body["profiles"], 1, "{}", held.text);
    assert_eq!(world.get("/sandbox/faults").await.body["faults"], json!([]));
    // Klaviyo's own paths have none of it: a key is needed there.
    let elsewhere = request(Method::GET, "/api/accounts", String::new());
    let elsewhere = with_header(elsewhere, "host", "a.klaviyo.com");
    assert_eq!(world.send(elsewhere).await.status, 200);
}
