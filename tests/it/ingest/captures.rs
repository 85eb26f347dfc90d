//! Every request that real SDKs were recorded sending is answered as the SDK needs it, and its calls are stored once.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use klaviyo_relay::model::EventStatus;
use serde_json::Value;

use super::{Bench, gzip};

const CAPTURES: &str = include_str!("../../captures/segment-captures.jsonl");

fn captures(method: &str) -> Vec<Value> {
    CAPTURES
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|capture| capture["method"] == method && capture["headers"].is_object())
        .collect()
}

fn request(capture: &Value) -> Request<Body> {
    let mut request = Request::builder()
        .method(capture["method"].as_str().unwrap())
        .uri(capture["path"].as_str().unwrap());
    for (name, value) in capture["headers"].as_object().unwrap() {
        // The body was decompressed in the recording, and its length is no longer this.
        if name != "content-length" {
            request = request.header(name, value.as_str().unwrap());
        }
    }
    let body = capture["bodyText"].as_str().unwrap().as_bytes();
    let body = if capture["contentEncoding"] == "gzip" {
        gzip(body)
    } else {
        body.to_vec()
    };
    request.body(Body::from(body)).unwrap()
}

/// The calls of a recorded body: message id (if any) and the call itself.
fn calls(capture: &Value) -> Vec<(Option<String>, Value)> {
    let body: Value = serde_json::from_str(capture["bodyText"].as_str().unwrap()).unwrap();
    let calls = match body["batch"].as_array() {
        Some(batch) => batch.clone(),
        None => vec![body],
    };
    let id = |call: &Value| call["messageId"].as_str().map(str::to_owned);
    calls.into_iter().map(|call| (id(&call), call)).collect()
}

#[tokio::test]
async fn every_recorded_call_is_stored_once() {
    let bench = Bench::new().await;
    let mut expected = Vec::new();
    let mut known = BTreeSet::new();
    let posts = captures("POST");
    assert!(posts.len() >= 35);
    for capture in &posts {
        let answer = bench.send(request(capture)).await;
        let name = format!("{} ({})", capture["label"], capture["n"]);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert_eq!(answer.text, r#"{"success":true}"#, "{name}");
        assert_eq!(answer.header("content-type"), "application/json", "{name}");
        if capture["path"] != "/v1/m" {
            // The recordings hold retries of the same message.
            let new = calls(capture)
                .into_iter()
                .filter(|(id, _)| id.as_ref().is_none_or(|id| known.insert(id.clone())));
            expected.extend(new.map(|(_, call)| call));
        }
    }
    let stored = bench.stored(None).await;
    let payloads: Vec<Value> = stored
        .iter()
        .map(|event| serde_json::from_str(event.payload.as_deref().unwrap()).unwrap())
        .collect();
    assert_eq!(payloads, expected);
    let sent: String = posts
        .iter()
        .filter_map(|capture| capture["bodyText"].as_str())
        .collect();
    for event in &stored {
        assert!(sent.contains(event.payload.as_deref().unwrap()), "not byte for byte");
        assert_eq!(event.status, EventStatus::Pending);
        assert!(!event.identifiers.is_empty());
    }

    // They carry their write keys in every place that SDKs know.
    let sources: BTreeSet<&str> = stored.iter().map(|event| &*event.source).collect();
    let expected = [
        "browser", "jitsu", "node", "php", "python", "ruby", "rudder", "rust", "snippet",
    ];
    assert!(sources.iter().copied().eq(expected), "{sources:?}");

    // The same bytes again: stored again only where no message id shows that they are the same.
    let unnamed = posts.iter().filter(|capture| capture["path"] != "/v1/m");
    let unnamed = unnamed.flat_map(calls).filter(|(id, _)| id.is_none()).count();
    for capture in &posts {
        assert_eq!(bench.send(request(capture)).await.status, 200);
    }
    assert_eq!(bench.stored(None).await.len(), stored.len() + unnamed);
}

#[tokio::test]
async fn every_recorded_preflight_allows_what_the_browser_requests() {
    let bench = Bench::new().await;
    let preflights = captures("OPTIONS");
    assert!(preflights.len() >= 10);
    for capture in preflights {
        let answer = bench.send(request(&capture)).await;
        let headers = &capture["headers"];
        assert!(answer.status.is_success());
        assert_eq!(answer.header("access-control-allow-origin"), headers["origin"]);
        assert_eq!(
            answer.header("access-control-allow-headers"),
            headers["access-control-request-headers"]
        );
        assert_eq!(answer.header("access-control-allow-methods"), "POST");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-max-age"), "86400");
    }
}

#[tokio::test]
async fn every_recorded_settings_request_gets_what_the_sdk_needs_to_start() {
    let bench = Bench::new().await;
    let settings: Vec<Value> = captures("GET")
        .into_iter()
        .filter(|capture| capture["path"].as_str().unwrap().ends_with("/settings"))
        .collect();
    assert!(settings.len() >= 2);
    for capture in settings {
        let answer = bench.send(request(&capture)).await;
        assert_eq!(answer.status, 200);
        let key = capture["path"].as_str().unwrap().split('/').nth(3).unwrap();
        let segment = &answer.json()["integrations"]["Segment.io"];
        assert_eq!(segment["apiKey"], key);
        let host = capture["headers"]["host"].as_str().unwrap();
        assert_eq!(segment["apiHost"], format!("{host}/v1"));
        assert_eq!(segment["protocol"], "http");
        // One of the pages was on the same origin and named none.
        let origin = capture["headers"]["origin"].as_str().unwrap_or("");
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
}
