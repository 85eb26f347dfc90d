//! Keys, origins, settings, answers.

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use expect_test::expect;
use serde_json::Value;

use super::{config, decide, now};
use crate::clock::Clock;
use crate::config::{IngestConfig, PublicUrl};
use crate::ingest::answer::Rejection;
use crate::ingest::settings::{self, Host};
use crate::ingest::{auth, routes};
use crate::model::Timestamp;

const CALL: &str = r#"{"userId":"u","event":"e"}"#;

/// The source's name, or the rejection's code and status.
fn source_of(path: &str, headers: &[(&str, &str)], body: &str) -> String {
    match decide(path, headers, body.into()) {
        Ok(accepted) => accepted.source,
        Err(rejection) => format!("{} {}", rejection.status().as_u16(), rejection.code()),
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
            source_of("/v1/track", &[("authorization", &header)], CALL),
            dev,
            "{header}"
        );
    }
    assert_eq!(source_of("/v1/track", &[("x-write-key", "dev")], CALL), dev);
    assert_eq!(source_of("/v1/track", &[("x-write-key", "key:secret")], CALL), "jitsu");
    assert_eq!(source_of("/v1/track?a=b&writeKey=d%65v", &[], CALL), dev);
    let in_body = r#"{"writeKey":"dev","userId":"u","event":"e"}"#;
    assert_eq!(source_of("/v1/track", &[], in_body), dev);
    assert_eq!(source_of("/v1/track", &[("authorization", "Bearer abc")], in_body), dev);
    let in_batch = r#"{"batch":[{"type":"identify","userId":"u"}],"writeKey":"dev"}"#;
    assert_eq!(source_of("/v1/b", &[], in_batch), dev);
}

#[test]
fn a_key_in_a_header_precedes_the_body_and_an_unknown_header_key_is_skipped() {
    let in_body = r#"{"writeKey":"dev","userId":"u","event":"e"}"#;
    let node = basic("wk_node:");
    assert_eq!(source_of("/v1/track", &[("authorization", &node)], in_body), "node");
    let staging = basic("staging:password");
    assert_eq!(source_of("/v1/track", &[("authorization", &staging)], in_body), "dev");
}

#[test]
fn a_wrong_key_is_a_401_that_does_not_repeat_the_key() {
    let rejections = [
        (vec![("x-write-key", "sekret")], CALL),
        (vec![], r#"{"writeKey":"sekret"}"#),
        (vec![("x-write-key", "sekret")], "{"),
        (vec![], CALL),
        (vec![("authorization", "Basic Og==")], CALL),
        (vec![("x-write-key", " ")], CALL),
    ]
    .map(|(headers, body)| {
        let rejection = decide("/v1/track", &headers, body.into()).unwrap_err();
        assert_eq!(rejection.status(), 401);
        rejection.to_string()
    });
    expect![[r#"
        3 × no source has this write key; compare the key in the SDK with `write_key` under [[ingest.sources]] in the relay's config.toml
        3 × the request carries no write key; send it as the Basic user name (with an empty password), as `writeKey` in the body, as `?writeKey=` or as `X-Write-Key`
    "#]]
    .assert_eq(&rejections.chunk_by(PartialEq::eq).fold(String::new(), |all, same| {
        format!("{all}{} × {}\n", same.len(), same[0])
    }));
}

#[test]
fn a_blank_key_is_no_key() {
    let sources = [super::source("blank", "", &[])];
    assert!(auth::by_key(&sources, "").is_none());
    assert!(auth::by_key(&sources, ":").is_none());
}

#[test]
fn only_listed_origins_may_use_a_key_with_origins() {
    let shop = |origin: Option<&str>| {
        let mut headers = vec![("x-write-key", "wk_shop")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        source_of("/v1/track", &headers, CALL)
    };
    assert_eq!(shop(Some("https://shop.example")), "shop");
    assert_eq!(shop(Some("http://localhost:3000")), "shop");
    assert_eq!(shop(None), "shop");
    for foreign in ["https://shop.example.evil", "http://shop.example", "null", ""] {
        assert_eq!(shop(Some(foreign)), "400 origin_not_allowed", "{foreign}");
    }
}

/// Segment's part of the settings for a client that sent these headers.
fn segment(config: &IngestConfig, headers: &[(&str, &str)]) -> Value {
    segment_by(config, headers, true)
}

/// As above; `behind_proxy`: a trusted proxy forwarded the request.
fn segment_by(config: &IngestConfig, headers: &[(&str, &str)], behind_proxy: bool) -> Value {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let uri = Uri::from_static("/settings");
    let host = Host::of(config, &map, behind_proxy, &uri);
    let document = settings::document("dev", host.as_ref());
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["metrics"]["sampleRate"], 0);
    document["integrations"]["Segment.io"].clone()
}

fn address(segment: &Value) -> (&str, &str) {
    let text = |key: &str| segment[key].as_str().unwrap_or("none");
    (text("protocol"), text("apiHost"))
}

#[test]
fn settings_name_the_host_of_the_request() {
    let behind_proxy = [
        ("host", "10.0.0.7:8080"),
        ("x-forwarded-host", "e.shop.example, inner"),
        ("x-forwarded-proto", "https"),
    ];
    let plain = [("host", "lan"), ("x-forwarded-proto", "http")];
    for (headers, expected) in [
        (&[("host", "localhost:8080")][..], ("http", "localhost:8080/v1")),
        (&[("host", "events.shop.example")], ("https", "events.shop.example/v1")),
        (&behind_proxy, ("https", "e.shop.example/v1")),
        (&plain, ("http", "lan/v1")),
        (&[("host", "[::1]:80")], ("http", "[::1]:80/v1")),
        (&[], ("none", "none")),
    ] {
        let found = segment(&config(), headers);
        assert_eq!(address(&found), expected);
        assert_eq!(found["apiKey"], "dev");
    }
}

#[test]
fn settings_use_forwarded_headers_only_from_a_trusted_proxy() {
    let headers = [
        ("host", "events.shop.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
    ];
    let found = segment_by(&config(), &headers, false);
    assert_eq!(address(&found), ("https", "events.shop.example/v1"));
    let found = segment_by(&config(), &headers, true);
    assert_eq!(address(&found), ("http", "evil.example/v1"));
}

#[test]
fn settings_name_no_host_that_is_invalid() {
    for host in [
        "relay@evil.example",
        "relay:pass@evil.example:80",
        "evil/\"x?y=<script>#",
        "a b",
        "evil.example:",
        "evil.example:70000",
        "e*vil'(example)",
        ":80",
    ] {
        for header in ["host", "x-forwarded-host"] {
            let found = segment(&config(), &[(header, host)]);
            assert_eq!(address(&found), ("none", "none"), "{header}: {host}");
        }
    }
}

#[test]
fn settings_of_a_port_with_tls_name_https_unless_a_proxy_forwards_http() {
    let files = Path::new("tls.pem").to_owned();
    let tls = IngestConfig {
        tls_cert: Some(files.clone()),
        tls_key: Some(files),
        ..config()
    };
    let own = segment(&tls, &[("host", "localhost:8443")]);
    assert_eq!(address(&own), ("https", "localhost:8443/v1"));
    let headers = [("host", "lan"), ("x-forwarded-proto", "http")];
    let proxied = segment(&tls, &headers);
    assert_eq!(address(&proxied), ("http", "lan/v1"));
}

#[test]
fn settings_name_the_public_url_whatever_the_host_of_the_request() {
    let mut config = config();
    config.path_prefix = Some("/segment".to_owned());
    let headers = [("host", "10.0.0.7"), ("x-forwarded-proto", "http")];
    assert_eq!(address(&segment(&config, &headers)), ("http", "10.0.0.7/segment/v1"));
    config.public_url = Some(PublicUrl {
        https: true,
        address: "relay.example:8443/s".to_owned(),
    });
    let expected = ("https", "relay.example:8443/s/v1");
    assert_eq!(address(&segment(&config, &headers)), expected);
    assert_eq!(address(&segment(&config, &[])), expected);
}

/// Kotlin's SDK and Swift's accept only whole numbers for all but the first wait, and drop the object that contains a
/// number with a decimal point.
#[test]
fn the_retry_policy_has_the_shape_that_sdks_read() {
    let found = segment(&config(), &[]);
    let [rate, backoff] = ["rateLimitConfig", "backoffConfig"].map(|part| &found["httpConfig"][part]);
    for (part, keys) in [
        (rate, &["maxRetryCount", "maxRetryInterval", "maxRateLimitDuration"][..]),
        (
            backoff,
            &[
                "maxRetryCount",
                "maxBackoffInterval",
                "maxTotalBackoffDuration",
                "jitterPercent",
            ],
        ),
    ] {
        assert_eq!(part["enabled"], true);
        for key in keys {
            assert!(part[key].as_u64().is_some_and(|number| number > 0), "{key}");
        }
    }
    // The longest wait in an answer is within what clients obey.
    assert_eq!(rate["maxRetryInterval"], 300);
    for (status, expected) in [("401", "retry"), ("404", "retry"), ("408", "retry")] {
        assert_eq!(backoff["statusCodeOverrides"][status], expected, "{status}");
    }
    assert_eq!(backoff["default4xxBehavior"], "drop");
    assert_eq!(backoff["default5xxBehavior"], "retry");
}

#[test]
fn retry_after_is_in_whole_seconds() {
    for (wait, expected) in [(0, "1"), (1_001, "2"), (3_000, "3"), (9_000_000, "300")] {
        let rejection = Rejection::CannotStore {
            reason: "the disk is full".to_owned(),
            retry_after: Duration::from_millis(wait),
        };
        let response = rejection.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], expected);
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}

/// A clock that does not move, with this random number.
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
fn generated_message_ids_are_uuids_of_their_time() {
    let id = |chance| uuid::Uuid::parse_str(&routes::new_message_id(&Fixed(chance))).unwrap();
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
