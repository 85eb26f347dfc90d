//! What stops a request before its document: path, method, key, revision, media type, size, rate.

use axum::http::Method;

use super::{World, event, request, with_header};
use crate::sandbox::{Options, RateLimits};

#[tokio::test]
async fn every_answer_says_that_it_is_the_sandbox() {
    let world = World::new();
    for path in ["/api/accounts", "/api/nowhere", "/sandbox", "/sandbox/nowhere", "/"] {
        let reply = world.get(path).await;
        assert_eq!(reply.header("x-klaviyo-relay-sandbox"), Some("1"), "{path}");
    }
    let unnamed = with_header(
        request(Method::GET, "/api/accounts", String::new()),
        "authorization",
        "",
    );
    let reply = world.send(unnamed).await;
    assert_eq!(reply.header("x-klaviyo-relay-sandbox"), Some("1"));
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let world = World::new();
    let unknown = world.get("/api/nowhere").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.body["errors"][0]["code"], "not_found");
    assert_eq!(world.get("/api/profile-import").await.status, 405);
    let reply = world
        .call(Method::PUT, "/api/lists/L/relationships/profiles", &event("1"))
        .await;
    assert_eq!(reply.status, 405);
    assert_eq!(world.get("/api/events/").await.status, 404);
    assert_eq!(world.get("/api/lists//relationships/profiles").await.status, 404);
}

#[tokio::test]
async fn the_api_before_2024_is_gone() {
    let world = World::new();
    for path in [
        "/api/track",
        "/api/identify",
        "/api/v2/list/L/subscribe",
        "/api/v1/metrics",
    ] {
        let reply = world.post(path, &event("1")).await;
        assert_eq!(reply.status, 410, "{path}");
        assert!(reply.body["message"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_401_and_a_malformed_one_is_the_proxys_page() {
    let world = World::new();
    let with_key = |key: &str| {
        let request = request(Method::POST, "/api/events", event("1").to_string());
        with_header(request, "authorization", key)
    };
    let wrong = world.send(with_key("Klaviyo-API-Key pk_other")).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.body["errors"][0]["code"], "authentication_failed");
    assert!(!wrong.text.contains("pk_"), "{}", wrong.text);
    let bearer = world.send(with_key("Bearer pk_sandbox")).await;
    assert_eq!(bearer.status, 400);
    assert_eq!(bearer.header("content-type"), Some("text/html; charset=UTF-8"));
    assert_eq!(world.send(with_key("")).await.status, 401);
    assert_eq!(world.sandbox.snapshot().counts.events, 0);
}

#[tokio::test]
async fn revisions_are_live_for_two_years() {
    let world = World::new();
    let with_revision = |revision: &str| {
        let request = request(Method::GET, "/api/lists", String::new());
        with_header(request, "revision", revision)
    };
    for live in ["2026-10-15", "2026-07-15", "2025-01-15", "2026-10-15.pre"] {
        assert_eq!(world.send(with_revision(live)).await.status, 200, "{live}");
    }
    for unknown in ["", "2027-01-15", "2026-10-16", "2026-13-15", "latest", "2026-10-1é"] {
        let reply = world.send(with_revision(unknown)).await;
        assert_eq!(reply.status, 400, "{unknown}");
        assert_eq!(reply.body["errors"][0]["source"]["parameter"], "revision", "{unknown}");
    }
}

#[tokio::test]
async fn a_retired_revision_falls_forward_unless_the_client_opted_out() {
    let world = World::new();
    for retired in ["2024-10-15", "2023-02-22"] {
        let request = request(Method::GET, "/api/lists", String::new());
        let falling = with_header(request, "revision", retired);
        assert_eq!(world.send(falling).await.status, 200, "{retired}");
        let request = super::request(Method::GET, "/api/lists", String::new());
        let opted_out = with_header(
            with_header(request, "revision", retired),
            "x-klaviyo-revision-fall-forward-opt-out",
            "1",
        );
        assert_eq!(world.send(opted_out).await.status, 410, "{retired}");
    }
}

#[tokio::test]
async fn a_retired_revision_gets_the_shapes_of_the_oldest_live_one() {
    let world = World::new();
    let with_anonymous_id = super::profile(serde_json::json!({ "anonymous_id": "a1" })).to_string();
    // 2025-01-15 is the oldest live one, and still knew anonymous ids.
    let old = request(Method::POST, "/api/profile-import", with_anonymous_id.clone());
    assert_eq!(world.send(with_header(old, "revision", "2024-10-15")).await.status, 201);
    let new = request(Method::POST, "/api/profile-import", with_anonymous_id);
    assert_eq!(world.send(new).await.status, 400);
}

#[tokio::test]
async fn another_media_type_or_encoding_is_415() {
    let world = World::new();
    let post = || request(Method::POST, "/api/events", event("1").to_string());
    for media in ["application/json", "text/plain", ""] {
        let reply = world.send(with_header(post(), "content-type", media)).await;
        assert_eq!(reply.status, 415, "{media}");
    }
    let gzip = world.send(with_header(post(), "content-encoding", "gzip")).await;
    assert_eq!(gzip.status, 415);
    let charset = "application/vnd.api+json; charset=utf-8";
    assert_eq!(
        world.send(with_header(post(), "content-type", charset)).await.status,
        202
    );
}

#[tokio::test]
async fn more_than_five_megabytes_is_413_and_no_json_is_400() {
    let world = World::new();
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(5_000_000));
    let reply = world.send(request(Method::POST, "/api/events", large)).await;
    assert_eq!(reply.status, 413);
    let broken = request(Method::POST, "/api/events", "{\"data\":".to_owned());
    assert_eq!(world.send(broken).await.status, 400);
    let empty = request(Method::POST, "/api/events", String::new());
    assert_eq!(world.send(empty).await.status, 400);
    let nested = "[".repeat(5_000);
    assert_eq!(
        world.send(request(Method::POST, "/api/events", nested)).await.status,
        400
    );
}

#[tokio::test]
async fn without_limits_the_headers_show_a_full_window() {
    let world = World::new();
    for _ in 0..20 {
        let reply = world.get("/api/accounts").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("ratelimit-limit"), Some("15"));
        assert_eq!(reply.header("ratelimit-remaining"), Some("15"));
        assert_eq!(reply.header("ratelimit-reset"), Some("60"));
    }
}

#[tokio::test]
async fn with_limits_both_windows_hold_and_retry_after_says_until_when() {
    let world = World::with(Options {
        rate_limits: RateLimits::Published { factor: 1.0 },
        ..Options::default()
    });
    // A second lets one pass; a minute fifteen.
    let first = world.get("/api/accounts").await;
    assert_eq!((first.status, first.header("ratelimit-remaining")), (200, Some("14")));
    world.advance(250);
    let second = world.get("/api/accounts").await;
    assert_eq!((second.status, second.header("retry-after")), (429, Some("1")));
    assert_eq!(second.header("ratelimit-remaining"), None);
    let error = &second.body["errors"][0];
    assert_eq!(error["code"], "throttled");
    assert_eq!(
        error["detail"],
        "Request was throttled. Expected available in 1 second."
    );
    assert_eq!(error["source"]["pointer"], "/data");
    assert!(error["links"]["type"].is_string());
    for passed in 1..15 {
        world.advance(1_000);
        assert_eq!(world.get("/api/accounts").await.status, 200, "{passed}");
    }
    world.advance(1_000);
    let full = world.get("/api/accounts").await;
    assert_eq!((full.status, full.header("retry-after")), (429, Some("45")));
    assert_eq!(
        world.get("/api/lists").await.status,
        200,
        "another endpoint has its own windows"
    );
    world.advance(45_000);
    assert_eq!(world.get("/api/accounts").await.status, 200);
}

#[tokio::test]
async fn limits_scale_and_never_reach_zero() {
    let world = World::with(Options {
        rate_limits: RateLimits::Published { factor: 0.001 },
        ..Options::default()
    });
    assert_eq!(world.post("/api/events", &event("1")).await.status, 202);
    assert_eq!(world.post("/api/events", &event("2")).await.status, 429);
    assert_eq!(world.sandbox.snapshot().counts.events, 1);
}
