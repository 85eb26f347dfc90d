//! What every SDK of Segment's needs of a server, one test for each point. Sources: Segment's HTTP API documentation,
//! and what its SDKs send, recorded or read in their sources.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use klaviyo_relay::model::EventStatus;
use serde_json::json;

use super::{Answer, Bench, gzip};

const CALL: &str = r#"{"userId":"u","event":"e","type":"track","name":"n","groupId":"g","previousId":"p"}"#;
const BATCH: &str = r#"{"batch":[{"type":"identify","userId":"u"}]}"#;

/// Posts with these headers and no other.
async fn post(bench: &Bench, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bench.send(request.body(body.to_owned().into()).unwrap()).await
}

#[tokio::test]
async fn success_is_200_with_exactly_the_json_that_sdks_read() {
    let bench = Bench::new().await;
    for (path, body) in [("/v1/track", CALL), ("/v1/batch", BATCH), ("/v1/m", "{}")] {
        let answer = bench.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.text, r#"{"success":true}"#);
    }
}

#[tokio::test]
async fn every_path_is_served_long_and_short_with_and_without_v1_and_slash() {
    let bench = Bench::new().await;
    let calls = ["identify", "track", "page", "screen", "group", "alias"];
    let mut served = 0;
    for word in calls.into_iter().flat_map(|word| [word, &word[..1]]) {
        for path in [format!("/v1/{word}"), format!("/{word}")] {
            for path in [path.clone(), format!("{path}/")] {
                let answer = bench.post(&path, CALL).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                served += 1;
            }
        }
    }
    assert_eq!(bench.stored(None).await.len(), served);
    for word in ["batch", "import", "b", "v1/batch/b", "beacon/v1/batch", "api/s/b"] {
        for path in [format!("/{word}"), format!("/{word}/")] {
            assert_eq!(bench.post(&path, BATCH).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn settings_are_served_where_sdks_look_for_them() {
    let bench = Bench::new().await;
    for path in ["/v1/projects/dev/settings", "/projects/dev/settings"] {
        let request = Request::get(path)
            .header("origin", "https://shop.example")
            .header("host", "h");
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200);
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, "https://shop.example");
        let segment = &answer.json()["integrations"]["Segment.io"];
        assert_eq!(segment["apiKey"], "dev");
        assert!(segment["httpConfig"].is_object());
    }
}

#[tokio::test]
async fn the_write_key_is_read_from_every_place() {
    let bench = Bench::new().await;
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let in_body = r#"{"userId":"u","event":"e","writeKey":"wk_node"}"#;
    for (path, name, value, body) in [
        ("/v1/track", "authorization", basic("wk_node:"), CALL),
        ("/v1/track", "authorization", basic("wk_node"), CALL),
        ("/v1/track", "x-write-key", "wk_node".to_owned(), CALL),
        ("/v1/track", "x-write-key", "wk_node:secret".to_owned(), CALL),
        ("/v1/track?writeKey=wk_node", "x-none", String::new(), CALL),
        ("/v1/track", "x-none", String::new(), in_body),
        ("/v1/track", "authorization", "Bearer t".to_owned(), in_body),
    ] {
        let answer = post(&bench, path, &[(name, &value)], body).await;
        assert_eq!(answer.status, 200, "{path} {name} {value}");
    }
    let stored = bench.stored(None).await;
    assert_eq!(stored.len(), 7);
    for event in stored {
        assert_eq!(event.source, "node");
    }
}

#[tokio::test]
async fn no_content_type_is_required_and_gzip_is_accepted_on_every_path() {
    let bench = Bench::new().await;
    let key = ("x-write-key", "dev");
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
        "",
    ] {
        let headers = [key, ("content-type", kind)];
        assert_eq!(post(&bench, "/v1/track", &headers, CALL).await.status, 200);
    }
    assert_eq!(post(&bench, "/v1/track", &[key], CALL).await.status, 200);
    for (path, body) in [("/v1/track", CALL), ("/b", BATCH), ("/v1/import/", BATCH)] {
        let request = Request::post(path)
            .header("x-write-key", "dev")
            .header("content-encoding", "gzip");
        let body = gzip(body.as_bytes());
        let answer = bench.send(request.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_browser_may_send_the_headers_of_analytics_js_and_read_retry_after() {
    let bench = Bench::new().await;
    for path in ["/v1/i", "/v1/t", "/v1/p", "/v1/g", "/v1/a", "/v1/s", "/v1/b", "/v1/m"] {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,x-retry-count",
            );
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert!(answer.status.is_success(), "{path}");
        for (name, expected) in [
            ("access-control-allow-origin", "https://shop.example"),
            (
                "access-control-allow-headers",
                "authorization,content-type,x-retry-count",
            ),
            ("access-control-max-age", "86400"),
        ] {
            assert_eq!(answer.header(name), expected, "{path}");
        }
    }
    let headers = [("x-write-key", "dev"), ("origin", "https://shop.example")];
    let answer = post(&bench, "/v1/t", &headers, CALL).await;
    assert_eq!(answer.header("access-control-expose-headers"), "retry-after");
}

/// Go's SDK and Java's name their library in the batch alone.
#[tokio::test]
async fn the_context_of_a_batch_applies_to_each_of_its_calls() {
    let bench = Bench::new().await;
    let batch = json!({
        "batch": [{"type": "identify", "userId": "u"}, {"type": "identify", "userId": "v"}],
        "context": {"library": {"name": "analytics-go"}},
        "integrations": {"All": false},
    });
    assert_eq!(bench.post("/v1/batch", batch.to_string()).await.status, 200);
    for event in bench.stored(None).await {
        let claimed = bench.outbox.claimed(&[event.id]).await.unwrap().remove(0);
        let envelope = claimed.envelope.unwrap();
        assert!(envelope.contains("analytics-go") && envelope.contains("\"All\":false"));
        assert!(!event.payload.unwrap().contains("analytics-go"), "as it came");
    }
}

/// Python's SDK reads `code` and `message`, Ruby's `error`; 400 is what SDKs give up on, 429 what they repeat.
#[tokio::test]
async fn a_permanent_rejection_is_400_with_its_cause_in_every_field_that_sdks_read() {
    let bench = Bench::new().await;
    let answer = bench.post("/v1/track", "{").await;
    assert_eq!(answer.status, 400);
    let body = answer.json();
    assert_eq!(body["success"], false);
    assert_eq!(body["code"], "bad_request");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(body["error"], body["message"]);
}

#[tokio::test]
async fn a_bad_call_of_a_batch_does_not_affect_the_others() {
    let bench = Bench::new().await;
    let batch = r#"{"batch":[{"type":"track","userId":"u"},{"type":"identify","userId":"u"}]}"#;
    assert_eq!(bench.post("/v1/batch", batch).await.status, 200);
    assert_eq!(bench.stored(Some(EventStatus::Pending)).await.len(), 1);
    let dead = bench.stored(Some(EventStatus::Dead)).await;
    assert_eq!(dead.len(), 1);
    let reason = dead[0].reason.as_deref().unwrap();
    assert!(reason.starts_with("event_not_defined"), "{reason}");
}

#[tokio::test]
async fn a_message_is_stored_once_and_one_without_an_id_gets_one() {
    let bench = Bench::new().await;
    let named = r#"{"userId":"u","event":"e","messageId":"ajs-next-1"}"#;
    for _ in 0..3 {
        assert_eq!(bench.post("/v1/track", named).await.status, 200);
    }
    for _ in 0..2 {
        let unnamed = r#"{"userId":"u","event":"e"}"#;
        assert_eq!(bench.post("/v1/track", unnamed).await.status, 200);
    }
    let stored = bench.stored(None).await;
    assert_eq!(stored.len(), 3);
    for event in &stored[1..] {
        let id = &event.message_id;
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    }
}

/// `context.direct` asks Segment's server to fill in the caller's address. Nothing sent to Klaviyo has one, so that the
/// call stays as it came.
#[tokio::test]
async fn a_call_that_requests_its_ip_address_is_stored_unchanged() {
    let bench = Bench::new().await;
    let call = r#"{"userId":"u","event":"e","context":{"direct":true}}"#;
    assert_eq!(bench.post("/v1/track", call).await.status, 200);
    assert_eq!(bench.stored(None).await[0].payload.as_deref(), Some(call));
}
