//! The recorded requests of SDKs that the tests do not run (PHP, Ruby, Jitsu), byte for byte over a connection to the
//! built relay, and what reaches the sandbox.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Daemon, Klaviyo, count};

const CAPTURES: &str = include_str!("../../captures/segment-captures.jsonl");
/// The write keys that the recordings carry.
const SOURCES: &str = "[[ingest.sources]]\nname = \"php\"\nwrite_key = \"wk_php\"\n\n\
    [[ingest.sources]]\nname = \"ruby\"\nwrite_key = \"wk_ruby\"\n\n\
    [[ingest.sources]]\nname = \"jitsu\"\nwrite_key = \"key\"\n";

/// The recorded requests whose label begins so.
fn recorded(label: &str) -> Vec<Value> {
    let captures = CAPTURES
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_sdk = |capture: &Value| {
        let own = capture["label"].as_str();
        own.is_some_and(|own| own.starts_with(label)) && capture["method"] == "POST"
    };
    captures.filter(of_sdk).collect()
}

/// A request as it was on the wire. A body that came compressed was recorded as text, so it is compressed again, and
/// the length is changed.
fn bytes(capture: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let body = text(&capture["bodyText"]).into_bytes();
    let compressed = capture["contentEncoding"] == "gzip";
    let body = if compressed { gzip(&body) } else { body };
    let mut request = format!(
        "{} {} HTTP/{}\r\n",
        text(&capture["method"]),
        text(&capture["path"]),
        text(&capture["http"])
    );
    for (name, value) in capture["headers"].as_object().unwrap() {
        let value = match name.as_str() {
            "content-length" if compressed => body.len().to_string(),
            _ => text(value),
        };
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend(body);
    request
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sends it on a connection of its own; answers what came back, head and body.
async fn send(daemon: &Daemon, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(daemon.ingest).await.unwrap();
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"}") {
        let length = connection.read(&mut part).await.unwrap();
        assert!(length > 0, "hung up after {answer:?}");
        answer.extend(&part[..length]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_of_other_sdks_reach_klaviyo_once() {
    for (label, requests, people, events) in [
        ("analytics-php", 2, 2, 1),
        ("analytics-ruby", 1, 1, 1),
        ("@jitsu/js", 3, 1, 1),
    ] {
        let klaviyo = Klaviyo::start().await;
        let daemon = Daemon::start(&klaviyo, SOURCES).await;
        let captures = recorded(label);
        assert_eq!(captures.len(), requests, "{label}");
        // Twice, as after an answer that was lost.
        for capture in captures.iter().chain(&captures) {
            let answer = send(&daemon, &bytes(capture)).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n{\"success\":true}"), "{answer}");
        }
        let status = daemon.settled().await;
        assert_eq!(count(&status, "dead"), 0, "{label}: {status:?}");
        let requests = klaviyo.requests().await;
        let to = |path: &str| requests.iter().filter(|request| request.path == path).count();
        assert_eq!(to("/api/profile-import"), people, "{label}");
        // Both of PHP's are of the same order, which Klaviyo is to get once.
        assert_eq!(to("/api/events"), events, "{label}");
        assert!(requests.iter().all(|request| matches!(request.status, Some(200..=202))));
    }
}
