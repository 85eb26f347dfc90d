//! What browsers and people with a wrong path meet.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use expect_test::expect;
use klaviyo_relay::config::IngestConfig;

use super::Bench;

async fn request(bench: &Bench, method: Method, path: &str) -> super::Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "events.shop.example")
        .header("origin", "https://shop.example");
    bench.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_unknown_path_lists_the_paths_of_the_api() {
    let mut answers = BTreeSet::new();
    let bench = Bench::new().await;
    for path in [
        "/",
        "/v1",
        "/v2/track",
        "/v1/tracks",
        "/analytics.js/v1/secret-key/analytics.min.js",
    ] {
        let answer = request(&bench, Method::POST, path).await;
        assert_eq!(answer.status, 404, "{path}");
        answers.insert(answer.text.clone());
        assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
    }
    expect![[r#"{"success":false,"code":"not_found","message":"there is nothing at this path; POST calls to /v1/identify, /v1/track, /v1/page, /v1/screen, /v1/group, /v1/alias, /v1/batch, /v1/import or /v1/webhook, and GET settings from /v1/projects/WRITE_KEY/settings","error":"there is nothing at this path; POST calls to /v1/identify, /v1/track, /v1/page, /v1/screen, /v1/group, /v1/alias, /v1/batch, /v1/import or /v1/webhook, and GET settings from /v1/projects/WRITE_KEY/settings"}"#]].assert_eq(&Vec::from_iter(answers).join("\n"));
}

#[tokio::test]
async fn a_wrong_method_names_the_allowed_ones() {
    let bench = Bench::new().await;
    let answer = request(&bench, Method::GET, "/v1/track").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST,OPTIONS"));
    assert_eq!(answer.json()["code"], "method_not_allowed");
    let answer = request(&bench, Method::POST, "/v1/projects/dev/settings").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "GET,HEAD,OPTIONS")
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
        let answer = request(&bench, Method::GET, path).await;
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
    let mut answers = BTreeSet::new();
    let bench = Bench::new().await;
    for key in ["wrong-key", "%ff", "%20"] {
        let answer = request(&bench, Method::GET, &format!("/v1/projects/{key}/settings")).await;
        assert_eq!(answer.status, 404, "{key}");
        answers.insert(answer.text.clone());
    }
    expect![[r#"{"success":false,"code":"unknown_source","message":"no source has the write key in this path; compare it with `write_key` under [[ingest.sources]] in the relay's config.toml","error":"no source has the write key in this path; compare it with `write_key` under [[ingest.sources]] in the relay's config.toml"}"#]].assert_eq(&Vec::from_iter(answers).join("\n"));
}

#[tokio::test]
async fn every_path_answers_a_preflight() {
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
            .header("access-control-request-headers", "authorization,x-retry-count");
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert!(answer.status.is_success(), "{path}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization,x-retry-count"
        );
    }
}

/// Not a browser's question, but a person's or a monitor's.
#[tokio::test]
async fn options_without_an_origin_lists_the_methods() {
    let bench = Bench::new().await;
    for (path, allow) in [
        ("/v1/batch", "POST,OPTIONS"),
        ("/t/", "POST,OPTIONS"),
        ("/projects/dev/settings", "GET,HEAD,OPTIONS"),
    ] {
        let request = Request::builder().method(Method::OPTIONS).uri(path);
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, allow));
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    let request = Request::builder().method(Method::OPTIONS).uri("/nowhere");
    let answer = bench.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn head_is_answered_on_every_path() {
    let bench = Bench::new().await;
    let answer = request(&bench, Method::HEAD, "/v1/projects/dev/settings").await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (200, ""));
    assert_eq!(answer.header("content-type"), "application/json");
    let answer = request(&bench, Method::HEAD, "/v1/projects/nobody/settings").await;
    assert_eq!(answer.status, 404);
    for method in [Method::HEAD, Method::GET, Method::PUT, Method::DELETE] {
        for path in ["/v1/track", "/b/", "/v1/m", "/api/s/page"] {
            let answer = request(&bench, method.clone(), path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("allow")),
                (405, "POST,OPTIONS"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn every_path_is_served_with_and_without_the_prefix() {
    let bench = Bench::of(IngestConfig {
        path_prefix: Some("/shop/segment".to_owned()),
        ..super::config_of_sources()
    })
    .await;
    let call = r#"{"userId":"u","event":"e"}"#;
    for path in ["/v1/track", "/track/", "/v1/m", "/api/s/track"] {
        for path in [path.to_owned(), format!("/shop/segment{path}")] {
            assert_eq!(bench.post(&path, call).await.status, 200, "{path}");
        }
    }
    for prefix in ["", "/shop/segment"] {
        let path = format!("{prefix}/v1/projects/dev/settings");
        let answer = request(&bench, Method::GET, &path).await;
        assert_eq!(
            answer.json()["integrations"]["Segment.io"]["apiHost"],
            "events.shop.example/shop/segment/v1",
            "{path}"
        );
    }
    let answer = request(&bench, Method::GET, "/shop/segment/v1/track").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST,OPTIONS"));
    for path in [
        "/shop",
        "/shop/segment",
        "/shop/segment/",
        "/shop/segmentv1/track",
        "/shop/segment/shop/segment/v1/track",
    ] {
        let answer = request(&bench, Method::POST, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["code"], "not_found", "{path}");
    }
}

/// A prefix that is a path of the API hides none of its paths.
#[tokio::test]
async fn a_prefix_that_is_a_path_of_the_api_works() {
    for prefix in ["/v1", "/api", "/beacon", "/v1/batch", "/projects", "/v1/projects"] {
        let bench = Bench::of(IngestConfig {
            path_prefix: Some(prefix.to_owned()),
            ..super::config_of_sources()
        })
        .await;
        let call = r#"{"batch":[{"type":"identify","userId":"u"}]}"#;
        for path in ["/v1/batch", "/beacon/v1/batch", "/v1/batch/b", "/api/s/b"] {
            for path in [path.to_owned(), format!("{prefix}{path}")] {
                let answer = bench.post(&path, call).await;
                assert_eq!(answer.status, 200, "{prefix} {path}");
            }
        }
        for path in ["/v1/projects/dev/settings", "/projects/dev/settings"] {
            for path in [path.to_owned(), format!("{prefix}{path}")] {
                let answer = request(&bench, Method::GET, &path).await;
                assert_eq!(answer.status, 200, "{prefix} {path}");
            }
        }
    }
}
