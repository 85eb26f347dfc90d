//! Keys, origins, encodings, settings, answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hyper::body::Frame;
use serde_json::Value;

use super::{config, gzip, judge, now};
use crate::clock::Clock;
use crate::ingest::answer::Refusal;
use crate::ingest::settings::{self, Host};
use crate::ingest::{auth, receive, routes};
use crate::model::Timestamp;

const CALL: &str = r#"{"userId":"u","event":"e"}"#;

/// The source's name, or the refusal's code and status.
fn who(path: &str, headers: &[(&str, &str)], body: &str) -> String {
    match judge(path, headers, body.into()) {
        Ok(accepted) => accepted.source,
        Err(refusal) => format!("{} {}", refusal.status().as_u16(), refusal.code()),
    }
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[test]
fn the_write_key_is_found_wherever_sdks_put_it() {
    let dev = "dev";
    for header in [
        basic("dev:"),
        basic("dev"),
        basic("dev:password"),
        format!("basic  {}", STANDARD_NO_PAD.encode("dev:")),
    ] {
        assert_eq!(
            who("/v1/track", &[("authorization", &header)], CALL),
            dev,
            "{header}"
        );
    }
    assert_eq!(who("/v1/track", &[("x-write-key", "dev")], CALL), dev);
    assert_eq!(
        who("/v1/track", &[("x-write-key", "key:secret")], CALL),
        "jitsu"
    );
    assert_eq!(who("/v1/track?a=b&writeKey=d%65v", &[], CALL), dev);
    let in_body = r#"{"writeKey":"dev","userId":"u","event":"e"}"#;
    assert_eq!(who("/v1/track", &[], in_body), dev);
    assert_eq!(
        who("/v1/track", &[("authorization", "Bearer abc")], in_body),
        dev
    );
    let in_batch = r#"{"batch":[{"type":"identify","userId":"u"}],"writeKey":"dev"}"#;
    assert_eq!(who("/v1/b", &[], in_batch), dev);
}

#[test]
fn a_header_wins_over_the_body_and_a_foreign_header_hides_nothing() {
    let in_body = r#"{"writeKey":"dev","userId":"u","event":"e"}"#;
    let node = basic("wk_node:");
    assert_eq!(
        who("/v1/track", &[("authorization", &node)], in_body),
        "node"
    );
    let staging = basic("staging:password");
    assert_eq!(
        who("/v1/track", &[("authorization", &staging)], in_body),
        "dev"
    );
}

#[test]
fn a_wrong_key_is_a_401_that_does_not_repeat_it() {
    for (headers, body) in [
        (vec![("x-write-key", "sekret")], CALL),
        (vec![], r#"{"writeKey":"sekret"}"#),
        (vec![("x-write-key", "sekret")], "{"),
    ] {
        let refusal = judge("/v1/track", &headers, body.into()).unwrap_err();
        assert_eq!(refusal.status(), 401);
        assert!(refusal.to_string().contains("config.toml"));
        assert!(!refusal.to_string().contains("sekret"));
    }
    for headers in [
        vec![],
        vec![("authorization", "Basic Og==")],
        vec![("x-write-key", " ")],
    ] {
        let refusal = judge("/v1/track", &headers, CALL.into()).unwrap_err();
        assert_eq!(refusal.status(), 401);
        assert!(
            refusal.to_string().contains("carries no write key"),
            "{refusal}"
        );
    }
}

#[test]
fn a_key_without_text_is_no_key() {
    let sources = [super::source("blank", "", &[])];
    assert!(auth::by_key(&sources, "").is_none());
    assert!(auth::by_key(&sources, ":").is_none());
}

#[test]
fn only_listed_pages_may_use_a_key_with_origins() {
    let shop = |origin: Option<&str>| {
        let mut headers = vec![("x-write-key", "wk_shop")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        who("/v1/track", &headers, CALL)
    };
    assert_eq!(shop(Some("https://shop.example")), "shop");
    assert_eq!(shop(Some("http://localhost:3000")), "shop");
    assert_eq!(shop(None), "shop");
    for foreign in [
        "https://shop.example.evil",
        "http://shop.example",
        "null",
        "",
    ] {
        assert_eq!(shop(Some(foreign)), "400 origin_not_allowed", "{foreign}");
    }
}

#[test]
fn a_gzip_bomb_costs_no_more_than_the_limit() {
    let limit = config().max_batch_bytes;
    let bomb = gzip(&vec![b' '; limit * 8]);
    assert!(bomb.len() < limit / 10);
    let headers = [("x-write-key", "dev"), ("content-encoding", "gzip")];
    let refusal = judge("/v1/batch", &headers, bomb).unwrap_err();
    assert!(matches!(refusal, Refusal::BodyTooLarge { .. }));
}

#[test]
fn gzip_is_taken_in_every_spelling_of_its_name() {
    for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip", " gzip ,"] {
        let headers = [("x-write-key", "dev"), ("content-encoding", coding)];
        let accepted = judge("/v1/track", &headers, gzip(CALL.as_bytes())).unwrap();
        assert_eq!(accepted.events[0].payload, CALL, "{coding}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_for_a_limited_time() {
    let read =
        |size: usize| receive::body(Body::from(vec![b'x'; size]), 10, Duration::from_mins(1));
    assert_eq!(read(10).await.unwrap().len(), 10);
    assert!(matches!(
        read(11).await,
        Err(Refusal::BodyTooLarge { limit: 10 })
    ));
    let silent = Body::new(Silent);
    let refusal = receive::body(silent, 10, Duration::ZERO).await.unwrap_err();
    assert_eq!(refusal.status(), 408);
}

#[tokio::test]
async fn an_upload_over_the_limit_is_read_on_for_a_while_and_then_cut() {
    let read = Arc::new(AtomicUsize::new(0));
    let endless = Body::new(Endless(Arc::clone(&read)));
    let refusal = receive::body(endless, 10, Duration::from_mins(1))
        .await
        .unwrap_err();
    assert!(matches!(refusal, Refusal::BodyTooLarge { limit: 10 }));
    assert_eq!(read.load(Ordering::Relaxed), 41);
}

type Part = Poll<Option<Result<Frame<Bytes>, Infallible>>>;

/// A body whose next part never comes.
struct Silent;

impl hyper::body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Part {
        Poll::Pending
    }
}

/// A body without end, a byte at a time, that counts what was read of it.
struct Endless(Arc<AtomicUsize>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Part {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

#[test]
fn settings_name_the_host_that_was_asked() {
    let document = |headers: &[(&str, &str)]| -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let host = Host::of(&map, &Uri::from_static("/settings"), false);
        serde_json::from_str(&settings::document("dev", host.as_ref())).unwrap()
    };
    let segment =
        |headers: &[(&str, &str)]| document(headers)["integrations"]["Segment.io"].clone();
    let text = |value: Value| value.to_string();
    assert_eq!(
        text(segment(&[("host", "localhost:8080")])),
        r#"{"apiKey":"dev","apiHost":"localhost:8080/v1","protocol":"http"}"#
    );
    assert_eq!(
        text(segment(&[("host", "events.shop.example")])),
        r#"{"apiKey":"dev","apiHost":"events.shop.example/v1","protocol":"https"}"#
    );
    let behind_proxy = [
        ("host", "10.0.0.7:8080"),
        ("x-forwarded-host", "e.shop.example, inner"),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(segment(&behind_proxy)["apiHost"], "e.shop.example/v1");
    assert_eq!(
        segment(&[("host", "lan"), ("x-forwarded-proto", "http")])["protocol"],
        "http"
    );
    assert_eq!(segment(&[("host", "[::1]:80")])["protocol"], "http");
    assert_eq!(text(segment(&[])), r#"{"apiKey":"dev"}"#);
    assert_eq!(document(&[])["metrics"]["sampleRate"], 0);
}

#[test]
fn a_refusal_says_when_to_come_back_in_whole_seconds() {
    for (wait, expected) in [(0, "1"), (1_001, "2"), (3_000, "3"), (9_000_000, "300")] {
        let refusal = Refusal::CannotStore {
            reason: "the disk is full".to_owned(),
            retry_after: Duration::from_millis(wait),
        };
        let response = refusal.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], expected);
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}

/// A clock that stands, and chances that do not.
struct Fixed(f64);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        now()
    }

    fn chance(&self) -> f64 {
        self.0
    }
}

#[test]
fn made_message_ids_are_uuids_of_their_time() {
    let id = |chance| uuid::Uuid::parse_str(&routes::message_id(&Fixed(chance))).unwrap();
    let (one, two) = (id(0.1), id(0.7));
    assert_eq!(one.get_version_num(), 7);
    assert_ne!(one, two);
    let (seconds, nanos) = one.get_timestamp().unwrap().to_unix();
    assert_eq!(
        i64::try_from(seconds).unwrap() * 1000 + i64::from(nanos / 1_000_000),
        now().as_millis()
    );
    assert_eq!(id(0.0).get_version_num(), 7);
}
