//! What is stored, what is not, and what the client is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use klaviyo_relay::clock::Clock;
use klaviyo_relay::listener;
use klaviyo_relay::model::{EventStatus, EventType, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Bench, Standing};

#[tokio::test]
async fn a_call_is_stored_byte_for_byte_with_its_numbers() {
    let bench = Bench::new().await;
    let call = r#"{ "userId":12345678901234567890, "event":"Paid","properties":{"a":0.10,"b":1e400,"c":-0}}"#;
    assert_eq!(bench.post("/v1/track", call).await.status, 200);
    let stored = bench.stored(None).await;
    assert_eq!(stored[0].payload.as_deref(), Some(call));
    assert_eq!(stored[0].identifiers, ["user:12345678901234567890"]);
    assert_eq!(stored[0].kind, Some(EventType::Track));
    assert_eq!(stored[0].name.as_deref(), Some("Paid"));
    assert_eq!(stored[0].received_at, Standing.now());
}

#[tokio::test]
async fn a_byte_that_is_not_utf_8_is_replaced_and_no_call_is_lost() {
    let bench = Bench::new().await;
    let call = |name: &[u8]| {
        let start = br#"{"type":"track","userId":"u","event":""#;
        [start, name, br#""}"#].concat()
    };
    let calls = [call(b"One"), call(b"Caf\xe9 \xf0\x9f"), call(b"Three")];
    let batch = [&b"{\"batch\":["[..], &calls.join(&b','), b"]}"].concat();
    let answer = bench.post("/v1/batch", batch).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let stored = bench.stored(Some(EventStatus::Pending)).await;
    let names: Vec<_> = stored.iter().map(|event| event.name.as_deref()).collect();
    let expected = ["One", "Caf\u{fffd} \u{fffd}", "Three"];
    assert_eq!(names, expected.map(Some));
}

/// `JSON.stringify` writes a cut emoji as half a pair, which is no character.
#[tokio::test]
async fn half_a_surrogate_pair_is_read_as_a_replacement_and_stored_unchanged() {
    let bench = Bench::new().await;
    let call = r#"{"userId":"u\ude00","event":"Cut \ud83d","messageId":"m\ud83d","\ud83d":1}"#;
    let item = r#"{"type":"page","userId":"u","name":"\ud83d","messageId":"m\ud83e"}"#;
    let batch = format!(r#"{{"\ud83d":0,"context":{{"page":"\ud83d"}},"batch":[{item}]}}"#);
    for (path, body) in [("/v1/track", call), ("/v1/batch", &*batch)] {
        let answer = bench.post(path, body.to_owned()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let stored = bench.stored(Some(EventStatus::Pending)).await;
    let payloads: Vec<_> = stored.iter().map(|event| event.payload.as_deref()).collect();
    assert_eq!(payloads, [Some(call), Some(item)], "and two ids stay two");
    assert_eq!(stored[0].identifiers, ["user:u\u{fffd}"]);
    assert_eq!(stored[0].name.as_deref(), Some("Cut \u{fffd}"));
    assert_eq!(stored[0].message_id, "m\\ud83d");
    let claimed = bench.outbox.claimed(&[stored[1].id]).await.unwrap().remove(0);
    assert_eq!(claimed.envelope.as_deref(), Some(r#"{"context":{"page":"\ud83d"}}"#));
}

#[tokio::test]
async fn a_chunked_body_is_read_whole() {
    let bench = Bench::new().await;
    let (sender, body) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    for part in ["{\"userId\":\"ü", "\",\"ev", "ent\":\"e\"}"] {
        sender.send(Ok(Bytes::from(part))).await.unwrap();
    }
    drop(sender);
    let answer = bench.post("/v1/track", Body::new(Parts(body))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bench.stored(None).await[0].identifiers, ["user:ü"]);
}

#[tokio::test]
async fn an_incomplete_body_gets_a_503() {
    let bench = Bench::new().await;
    let (sender, body) = tokio::sync::mpsc::channel(4);
    sender.send(Ok(Bytes::from("{\"userId\""))).await.unwrap();
    sender.send(Err(std::io::Error::other("reset"))).await.unwrap();
    let answer = bench.post("/v1/track", Body::new(Parts(body))).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "request_incomplete");
    assert!(bench.stored(None).await.is_empty());
}

#[tokio::test]
async fn the_same_message_is_stored_once_per_source() {
    let bench = Bench::new().await;
    let call = r#"{"userId":"u","event":"e","messageId":"m"}"#;
    for key in ["dev", "wk_node", "dev"] {
        let request = Request::post("/v1/track").header("x-write-key", key);
        assert_eq!(bench.send(request.body(call.into()).unwrap()).await.status, 200);
    }
    assert_eq!(bench.stored(None).await.len(), 2);
}

#[tokio::test]
async fn message_ids_that_differ_anywhere_are_two_messages() {
    let bench = Bench::new().await;
    for id in ["a\\u0000b", "a\\u0000c", "a", "A", "a\\u0301", "á"] {
        let call = format!(r#"{{"userId":"u","event":"e","messageId":"{id}"}}"#);
        assert_eq!(bench.post("/v1/track", call).await.status, 200);
    }
    assert_eq!(bench.stored(None).await.len(), 6);
}

#[tokio::test]
async fn bad_calls_of_a_batch_are_dead_and_the_good_ones_pending() {
    let bench = Bench::new().await;
    let batch = r#"{"batch":[{"type":"track","userId":"u"},{"type":"track","userId":"u","event":"e"}]}"#;
    assert_eq!(bench.post("/v1/batch", batch).await.status, 200);
    let dead = bench.stored(Some(EventStatus::Dead)).await;
    assert_eq!(dead.len(), 1);
    let reason = dead[0].reason.as_deref().unwrap();
    assert_eq!(
        reason,
        "event_not_defined: the track call has no `event`; send the event's name"
    );
    assert_eq!(dead[0].identifiers, ["user:u"]);
    let pending = bench.stored(Some(EventStatus::Pending)).await;
    assert_eq!(pending.len(), 1);
    assert!(pending[0].waits_for.is_empty());
}

#[tokio::test]
async fn a_client_gets_a_429_while_nothing_can_be_stored() {
    let bench = Bench::with(u64::MAX, Arc::new(Standing)).await;
    let call = r#"{"userId":"u","event":"e"}"#;
    // The outbox measures the disk as it writes, so the second call at the latest gets the 429.
    bench.post("/v1/track", call).await;
    let before = bench.stored(None).await.len();
    let answer = bench.post("/v1/track", call).await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "30");
    assert_eq!(answer.header("access-control-expose-headers"), "retry-after");
    assert_eq!(answer.json()["code"], "cannot_store_now");
    assert!(answer.text.contains("disk"), "{}", answer.text);
    assert_eq!(bench.stored(None).await.len(), before);
}

/// A clock that fails, to stand for a mistake anywhere in ingest.
struct Failing;

impl Clock for Failing {
    fn now(&self) -> Timestamp {
        panic!("no time")
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

#[tokio::test]
async fn a_panic_is_answered_with_a_status_that_sdks_retry() {
    let bench = Bench::with(0, Arc::new(Failing)).await;
    let small = r#"{"userId":"u","event":"e"}"#.to_owned();
    let large = format!("{small}{}", " ".repeat(100_000));
    for call in [small, large] {
        let answer = bench.post("/v1/track", call).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.json()["code"], "internal_error");
        assert!(!answer.text.contains("no time"));
    }
}

#[tokio::test]
async fn an_upload_over_the_limit_gets_the_reason() {
    let bench = Bench::new().await;
    let socket = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}/v1/batch", socket.local_addr().unwrap());
    let stop = CancellationToken::new();
    let server = tokio::spawn(listener::serve(
        socket,
        bench.router.clone(),
        stop.clone(),
        Duration::from_secs(5),
    ));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = vec![b' '; 10 * 1024 * 1024];
    let request = client.post(url).header("x-write-key", "dev").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert!(answer.text().await.unwrap().contains("max_batch_bytes"));
    drop(client);
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_large_body_needs_its_key_in_a_header() {
    let bench = Bench::new().await;
    let pad = " ".repeat(600 * 1024);
    let body = format!(r#"{{"writeKey":"dev","userId":"u","event":"e"}}{pad}"#);
    let without = |body: &str| Request::post("/v1/track").body(Body::from(body.to_owned())).unwrap();
    let answer = bench.send(without(&body)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["code"], "payload_too_large");
    assert!(answer.text.contains("Basic user name"), "{}", answer.text);
    // With the key in a header it is read, and a smaller one without.
    let read = bench.post("/v1/track", body.clone()).await;
    assert_eq!(read.json()["code"], "event_too_large");
    let small = bench.send(without(body.trim_end())).await;
    assert_eq!(small.status, 200);
}

#[tokio::test]
async fn the_log_has_a_line_per_request_and_nothing_of_what_was_sent() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, tracing lets the thread that meets a log line first decide for all threads whether
    // anybody listens, and the other tests' threads have none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let bench = Bench::new().await;
    let guard = tracing::subscriber::set_default(subscriber);
    let good = r#"{"type":"track","userId":"secret-user","event":"secret-event"}"#;
    let bad = r#"{"type":"track","userId":"secret-user","traits":"secret-trait"}"#;
    bench.post("/v1/batch", format!("[{good},{bad}]")).await;
    bench.post("/v1/track", bad).await;
    bench.post("/v1/track", "{\"secret-key").await;
    for _ in 0..2 {
        let request = Request::post("/v1/track?writeKey=secret-key");
        bench.send(request.body(good.into()).unwrap()).await;
    }
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("::ingest")).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("DEBUG")).count(), 5, "{text}");
    assert!(lines[0].contains("source=dev events=2 dead=1 status=200"), "{text}");
    assert!(lines[1].contains("status=400"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A body that comes in the parts of a channel.
struct Parts(tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|part| part.map(hyper::body::Frame::data)))
    }
}
