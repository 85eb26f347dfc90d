//! Clients that send a request whole and do not wait for its answer: scripts that end, phones that lose their line,
//! tools that close their half of the connection.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{ended, opened};
use crate::support::{Daemon, Klaviyo, eventually};

/// Every kind of route, and whether it takes several calls.
const ROUTES: [(&str, bool); 5] = [
    ("/v1/track", false),
    // A beacon's.
    ("/v1/t", false),
    ("/v1/batch", true),
    ("/v1/import", true),
    ("/v1/webhook", false),
];
const CALLS: usize = 200;

fn body(number: usize) -> (&'static str, String) {
    let (path, is_batch) = ROUTES[number % ROUTES.len()];
    let id = format!("call-{number}");
    let call = json!({"type": "track", "userId": id, "event": "Left", "messageId": id, "writeKey": "dev"});
    let body = if is_batch {
        json!({"batch": [call], "writeKey": "dev"})
    } else {
        call
    };
    (path, body.to_string())
}

fn http_1(number: usize) -> Vec<u8> {
    let (path, body) = body(number);
    let head = "Host: h\r\nX-Write-Key: dev\r\nContent-Type: text/plain";
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// RFC 9113, 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()];
    [&head.concat(), payload].concat()
}

/// A connection's beginning and these calls, with every name and value written out (RFC 7541, 6.2.2).
fn http_2(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[]));
    for (stream, number) in (1..).step_by(2).zip(numbers) {
        let (path, body) = body(number);
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "h"),
            ("x-write-key", "dev"),
        ];
        let mut head = Vec::new();
        for (name, value) in fields {
            head.push(0);
            for text in [name, value] {
                head.push(u8::try_from(text.len()).unwrap());
                head.extend(text.as_bytes());
            }
        }
        // END_HEADERS, then END_STREAM.
        sent.extend(frame(1, 4, stream, &head));
        sent.extend(frame(0, 1, stream, body.as_bytes()));
    }
    sent
}

/// Waits until all calls are delivered and counted.
async fn all_are_stored(daemon: &Daemon, klaviyo: &Klaviyo) {
    eventually("every call is delivered", || async {
        (klaviyo.events().len() == CALLS).then_some(())
    })
    .await;
    let counted = "klaviyo_relay_ingest_requests_total{status=\"200\",code=\"ok\"}";
    assert_eq!(daemon.counted(counted).await, u64::try_from(CALLS).unwrap());
}

async fn leave(address: SocketAddr, sent: &[u8]) {
    drop(opened(address, sent).await);
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_answer() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for number in 0..CALLS {
        let mut stream = opened(daemon.ingest, &http_1(number)).await;
        stream.shutdown().await.unwrap();
        let answer = ended("a client that closed its half", &mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{number}: {answer:?}");
    }
    all_are_stored(&daemon, &klaviyo).await;
}

#[tokio::test]
async fn a_call_of_a_client_that_left_is_stored_and_counted() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for number in 0..CALLS {
        leave(daemon.ingest, &http_1(number)).await;
    }
    all_are_stored(&daemon, &klaviyo).await;
}

#[tokio::test]
async fn calls_of_an_http_2_client_that_left_are_stored_and_counted() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for first in (0..CALLS).step_by(20) {
        leave(daemon.ingest, &http_2(first..first + 20)).await;
    }
    all_are_stored(&daemon, &klaviyo).await;
}

#[tokio::test]
async fn an_http_2_client_that_closes_its_half_gets_its_answers() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let mut stream = opened(daemon.ingest, &http_2(0..CALLS / 2)).await;
    stream.shutdown().await.unwrap();
    let answer = ended("an HTTP/2 client that closed its half", &mut stream).await;
    let answers = answer.matches("{\"success\":true}").count();
    assert_eq!(answers, CALLS / 2);
}
