//! Answers as bytes on a connection: incomplete, with a wrong length, too long, and in HTTP forms that APIs do not use.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::delivery::{Remote, Sender};
use crate::klaviyo::{Route, route};
use crate::model::{DeliveryKind, OutcomeKind};

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(5);
const BODY: &str = "{}";

/// What the server does after it has written its answer.
#[derive(Clone, Copy)]
enum Then {
    Close,
    KeepOpen,
}

/// A port that answers each request with these bytes.
async fn port(raw: Vec<u8>, then: Then) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, raw.clone(), then));
        }
    });
    address
}

async fn serve(mut connection: TcpStream, raw: Vec<u8>, then: Then) {
    let mut request = Vec::new();
    let whole = |request: &[u8]| {
        request.ends_with(b"\r\n\r\n") && request.starts_with(b"GET")
            || request.ends_with(format!("\r\n\r\n{BODY}").as_bytes())
    };
    while !whole(&request) {
        if connection.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    // The client may have read enough and closed the connection.
    drop(connection.write_all(&raw).await);
    match then {
        Then::Close => drop(connection.shutdown().await),
        Then::KeepOpen => {}
    }
    // Reads until the client closes: an early close would reset the connection and lose the written bytes.
    while connection.read_buf(&mut request).await.unwrap_or(0) > 0 {}
}

fn sender(address: SocketAddr) -> Sender {
    let key = SecretString::from("pk_x");
    Sender::new(&format!("http://{address}"), &key, "2026-10-15", LONG).unwrap()
}

async fn requested(raw: Vec<u8>, kind: DeliveryKind) -> Outcome {
    let sender = sender(port(raw, Then::Close).await);
    let route = route(kind, Some("baV129"));
    let now = Timestamp::from_millis(0);
    let (outcome, _) = sender.send(&route, Some(BODY.to_owned()), LONG, now).await;
    outcome
}

/// Outcome, status, request, and the answer's bytes: `|` ends a header line, `||` the header block.
const NOT_ACCEPTED: &str = "
unknown  -   event    HTTP/1.1 202 Acc
unknown  -   event    220 mail.example ESMTP|
unknown  202 event    HTTP/1.1 202 Accepted|content-length: 100||{
unknown  201 profile  HTTP/1.1 201 Created|content-length: 1000||PROFILE
unknown  202 event    HTTP/1.1 202 Accepted|transfer-encoding: chunked||ff|{
unknown  202 event    HTTP/1.1 202 Accepted|transfer-encoding: chunked||zz|
retry    201 profile  HTTP/1.1 201 Created|content-length: 20||PROFILE
retry    200 event    HTTP/1.1 200 OK|content-length: 100||{
retry    400 event    HTTP/1.1 400 Bad Request|content-length: 1000||ERRORS
retry    400 event    HTTP/1.1 400 Bad Request|content-length: 20||ERRORS
retry    503 event    HTTP/1.1 503 Unavailable|content-length: 100||{
retry    429 event    HTTP/1.1 429 Throttled|content-length: 100||{
retry    202 event    HTTP/1.1 202 Accepted|content-encoding: gzip||no gzip
retry    201 profile  HTTP/1.1 201 Created|content-encoding: gzip||no gzip
retry    202 event    HTTP/1.1 202 Accepted|content-type: text/html||PAGE
retry    202 event    HTTP/1.1 202 Accepted||PAGE
retry    200 profile  HTTP/1.1 200 OK|content-type: text/html||PAGE
retry    200 event    HTTP/1.1 200 OK|content-length: 0||
retry    204 event    HTTP/1.1 204 No Content|content-type: text/html||
retry    202 list_add HTTP/1.1 202 Accepted|content-length: 0||
retry    302 event    HTTP/1.1 302 Found|location: /|content-length: 0||
retry    101 event    HTTP/1.1 101 Switching Protocols|upgrade: x|connection: upgrade||
retry    999 event    HTTP/1.1 999 Odd|content-length: 0||
retry    407 event    HTTP/1.1 407 Login|content-type: text/html||PAGE
retry    401 event    HTTP/1.1 401 Unauthorized|content-type: text/html||PAGE
retry    404 event    HTTP/1.1 404 Not Found|content-length: 0||
retry    404 event    HTTP/1.0 404 Not Found||PAGE
";

/// The same for answers that are Klaviyo's, whatever their framing.
const ACCEPTED: &str = r#"
accepted 202 event    HTTP/1.1 202 Accepted|content-length: 0||
accepted 202 event    HTTP/1.1 202 Accepted|content-type: text/html|content-length: 0||
accepted 202 event    HTTP/1.1 202 Accepted||
accepted 202 event    HTTP/1.0 202 Accepted||
accepted 202 event    HTTP/1.1 202|content-length: 2||{}
accepted 202 event    HTTP/1.1 100 Continue||HTTP/1.1 202 Accepted|content-length: 0||
accepted 202 event    HTTP/1.1 103 Early Hints|link: </>||HTTP/1.1 202 Accepted|content-length: 0||
accepted 204 list_add HTTP/1.1 204 No Content|content-type: text/html||
accepted 201 profile  HTTP/1.1 201 Created||PROFILE
accepted 200 profile  HTTP/1.0 200 OK||PROFILE
accepted 200 profile  HTTP/1.1 200 OK|transfer-encoding: chunked||19|{"data":{"id":"01GDDKA"}}|0||
refused  400 event    HTTP/1.1 400 Bad Request||ERRORS
refused  400 event    HTTP/1.0 400 Bad Request||ERRORS
"#;

async fn each_has_its_outcome(table: &str) {
    for line in table.lines().filter(|line| !line.is_empty()) {
        let [kind, status, delivery] = [0..9, 9..13, 13..22].map(|at| line[at].trim());
        let raw = &line[22..];
        let raw = raw.replace('|', "\r\n");
        let raw = raw.replace("PROFILE", PROFILE).replace("ERRORS", ERRORS);
        let raw = raw.replace("PAGE", PAGE).into_bytes();
        let outcome = requested(raw, DeliveryKind::from_word(delivery).unwrap()).await;
        assert_eq!(outcome.kind.word(), kind, "{line}: {outcome:?}");
        let seen = outcome.http_status.map(|status| status.to_string());
        assert_eq!(seen.as_deref().unwrap_or("-"), status, "{line}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_garbled_or_not_klaviyos_is_never_accepted() {
    each_has_its_outcome(NOT_ACCEPTED).await;
}

#[tokio::test]
async fn what_is_documented_is_accepted_however_it_is_framed() {
    each_has_its_outcome(ACCEPTED).await;
}

#[tokio::test]
async fn an_answer_without_a_byte_or_with_a_huge_head_is_unknown() {
    let filler = "x".repeat(1 << 20);
    let huge = format!("HTTP/1.1 202 Accepted\r\nx-filler: {filler}\r\n\r\n");
    for raw in [String::new(), huge] {
        let outcome = requested(raw.into_bytes(), DeliveryKind::Event).await;
        assert_eq!(outcome.kind, OutcomeKind::Unknown, "{outcome:?}");
        assert_eq!(outcome.http_status, None);
    }
}

/// 50 MB, of which half a megabyte is read.
#[tokio::test]
async fn more_than_is_read_is_not_accepted() {
    let long = |status: &str, start: &str, fill: &str| {
        let mut raw = format!("HTTP/1.1 {status}\r\ncontent-type: {JSON}\r\n\r\n{start}").into_bytes();
        while raw.len() < 50 << 20 {
            raw.extend_from_slice(fill.as_bytes());
        }
        raw
    };
    let fill = "x".repeat(1000);
    let document = r#"{"data":{"id":"01G","attributes":{"title":""#;
    let event = requested(long("202 Accepted", "", &fill), DeliveryKind::Event).await;
    assert_eq!(event.kind, OutcomeKind::Unknown, "{event:?}");
    let profile = requested(long("201 Created", document, &fill), DeliveryKind::Profile).await;
    assert_eq!(profile.kind, OutcomeKind::Unknown, "{profile:?}");
    assert_eq!(profile.profile_id, None);
    let page = requested(long("202 Accepted", "<html>", &fill), DeliveryKind::Event).await;
    assert_eq!((page.kind, page.foreign), (OutcomeKind::Retry, true), "{page:?}");
    let error = r#"{"code":"invalid","title":"Invalid input.","detail":"d"},"#;
    let raw = long("400 Bad Request", r#"{"errors":["#, &error.repeat(20));
    let refused = requested(raw, DeliveryKind::Event).await;
    assert_eq!(refused.kind, OutcomeKind::Refused, "{refused:?}");
}

#[tokio::test]
async fn a_request_ends_within_its_own_time() {
    let soon = Duration::from_millis(200);
    let now = Timestamp::from_millis(0);
    let event = route(DeliveryKind::Event, None);
    for (raw, status) in [
        ("", None),
        ("HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\n", Some(202)),
    ] {
        let sender = sender(port(raw.as_bytes().to_vec(), Then::KeepOpen).await);
        let (sent, _) = sender.send(&event, Some(BODY.to_owned()), soon, now).await;
        let (got, body) = sender.send(&Route::read("/api/lists"), None, soon, now).await;
        assert_eq!((sent.kind, sent.http_status), (OutcomeKind::Unknown, status));
        assert_eq!(sent.error.as_deref(), Some("no answer in time"));
        let foreign = got.foreign;
        assert_eq!(foreign, status.is_some(), "a 202 where 200 is due");
        assert_eq!(body, b"");
    }
}

#[tokio::test]
async fn an_account_and_a_narrow_key_are_klaviyos_words() {
    let account = r#"{"data":[{"type":"account","id":"AbC123","attributes":{"public_api_key":"AbC123"}}]}"#;
    let denied = r#"{"errors":[{"id":"e","code":"permission_denied","title":"t","detail":"d"}]}"#;
    let remote = |status: &str, content_type: &str, body: &str| {
        let raw = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        async move {
            let address = port(raw.into_bytes(), Then::Close).await;
            sender(address).identify(Timestamp::from_millis(0)).await
        }
    };
    let name = |remote: Remote| match remote {
        Remote::Account(account) => account,
        Remote::Narrow => "narrow".to_owned(),
        Remote::Sandbox { .. } => "sandbox".to_owned(),
        Remote::Unclear(outcome) => outcome.kind.word().to_owned(),
    };
    for (status, content_type, body, expected) in [
        ("200 OK", JSON, account, "AbC123"),
        ("201 Created", JSON, account, "retry"),
        ("200 OK", HTML, account, "retry"),
        ("200 OK", HTML, PAGE, "retry"),
        ("403 Forbidden", JSON, denied, "narrow"),
        ("403 Forbidden", JSON, "{}", "retry"),
        ("403 Forbidden", HTML, PAGE, "retry"),
        ("401 Unauthorized", JSON, denied, "stopped"),
        ("401 Unauthorized", HTML, PAGE, "retry"),
    ] {
        let found = name(remote(status, content_type, body).await);
        assert_eq!(found, expected, "{status} {content_type} {body}");
    }
}

#[tokio::test]
async fn the_key_that_an_answer_repeats_is_not_kept() {
    let key = "pk_0123456789abcdef";
    let echo = r"Klaviyo-API-Key pk_0123456789abcdef, pk\u005f0123456789abcdef";
    let body = format!(r#"{{"errors":[{{"code":"invalid","detail":"{echo}","id":"{key}"}}]}}"#);
    let long = format!(r#"{{"errors":[{{"code":"{}{key}"}}]}}"#, "x".repeat(490));
    for body in [body, long] {
        let length = body.len();
        let head = format!("HTTP/1.1 400 Bad Request\r\ncf-ray: {key}\r\ncontent-length: {length}");
        let address = port(format!("{head}\r\n\r\n{body}").into_bytes(), Then::Close).await;
        let secret = SecretString::from(key);
        let sender = Sender::new(&format!("http://{address}"), &secret, "2026-10-15", LONG).unwrap();
        let route = route(DeliveryKind::Event, None);
        let now = Timestamp::from_millis(0);
        let (outcome, body) = sender.send(&route, Some(BODY.to_owned()), LONG, now).await;
        let kept = format!("{outcome:?} {}", String::from_utf8(body).unwrap());
        let probe = sender.probe(&Route::read("/api/lists/x"), now).await;
        let probe = probe.outcome;
        let kept = format!("{kept} {probe:?} {:?}", sender.identify(now).await);
        assert!(!outcome.error.unwrap().contains("pk_"), "{kept}");
        assert!(!kept.contains(key), "{kept}");
        assert!(kept.contains("[private key]"), "{kept}");
    }
}
