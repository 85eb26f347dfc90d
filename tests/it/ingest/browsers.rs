//! What browsers and people with a wrong path meet.

use axum::body::Body;
use axum::http::{Method, Request};

use super::Bench;

async fn ask(bench: &Bench, method: Method, path: &str) -> super::Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "events.shop.example")
        .header("origin", "https://shop.example");
    bench.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_path_that_is_none_says_which_there_are() {
    let bench = Bench::new().await;
    for path in [
        "/",
        "/v1",
        "/v2/track",
        "/v1/tracks",
        "/analytics.js/v1/secret-key/analytics.min.js",
    ] {
        let answer = ask(&bench, Method::POST, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["code"], "not_found");
        assert!(answer.text.contains("/v1/batch"), "{path}");
        assert!(!answer.text.contains("secret-key"));
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "https://shop.example"
        );
    }
}

#[tokio::test]
async fn a_wrong_method_says_the_right_one() {
    let bench = Bench::new().await;
    let answer = ask(&bench, Method::GET, "/v1/track").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
    assert_eq!(answer.json()["code"], "method_not_allowed");
    let answer = ask(&bench, Method::POST, "/v1/projects/dev/settings").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "GET,HEAD")
    );
    assert_eq!(answer.json()["success"], false);
}

#[tokio::test]
async fn settings_are_served_with_and_without_v1() {
    let bench = Bench::new().await;
    for path in [
        "/v1/projects/dev/settings",
        "/projects/dev/settings",
        "/v1/projects/dev/settings/",
    ] {
        let answer = ask(&bench, Method::GET, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let document = answer.json();
        assert_eq!(
            document["integrations"]["Segment.io"]["apiHost"],
            "events.shop.example/v1"
        );
        assert_eq!(document["metrics"]["sampleRate"], 0);
        assert_eq!(answer.header("cache-control"), "private, max-age=300");
    }
}

#[tokio::test]
async fn settings_of_an_unknown_key_do_not_repeat_it() {
    let bench = Bench::new().await;
    for key in ["wrong-key", "%ff", "%20"] {
        let answer = ask(&bench, Method::GET, &format!("/v1/projects/{key}/settings")).await;
        assert_eq!(answer.status, 404, "{key}");
        assert_eq!(answer.json()["code"], "unknown_source", "{key}");
        assert!(answer.text.contains("config.toml"));
        assert!(!answer.text.contains("wrong-key"));
    }
}

#[tokio::test]
async fn every_path_takes_a_preflight() {
    let bench = Bench::new().await;
    for path in [
        "/v1/t",
        "/batch",
        "/api/s/track",
        "/v1/projects/dev/settings",
        "/nowhere",
    ] {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,x-retry-count",
            );
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert!(answer.status.is_success(), "{path}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization,x-retry-count"
        );
    }
}
