//! Broken connections, seen by a plain TCP client.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{World, changed, event};
use crate::listener;

/// A port with a sandbox behind it.
struct Port {
    world: World,
    address: SocketAddr,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

/// Every wait of these tests ends with this, so that none hangs when it fails.
const AT_MOST: Duration = Duration::from_secs(20);

impl Port {
    async fn open() -> Self {
        let world = World::new();
        let port = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = port.local_addr().unwrap();
        let stop = CancellationToken::new();
        let routes = world.sandbox.routes();
        let served = tokio::spawn(listener::serve(port, routes, stop.clone(), AT_MOST));
        Self {
            world,
            address,
            stop,
            served,
        }
    }

    async fn order(&self, fault: Value) {
        let reply = self.world.post("/sandbox/faults", &fault).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
    }

    async fn connect(&self, path: &str, document: &Value) -> TcpStream {
        let body = document.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: sandbox\r\nauthorization: Klaviyo-API-Key pk_sandbox\r\n\
             revision: 2026-10-15\r\ncontent-type: application/vnd.api+json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        stream
    }

    /// Sends an event and reads until the connection ends.
    async fn send(&self, document: &Value) -> String {
        read_to_end(self.connect("/api/events", document).await).await
    }

    async fn until_logged(&self, count: u64) {
        let logged = async {
            while self.world.sandbox.snapshot().counts.requests < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(AT_MOST, logged).await.expect("the request came");
    }
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    match tokio::time::timeout(AT_MOST, read).await.expect("the connection ends") {
        Ok(_) => text,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => text,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_reset_breaks_the_connection_before_a_single_byte() {
    let port = Port::open().await;
    port.order(json!({ "reset": true, "next": 1 })).await;
    assert_eq!(port.send(&event("1")).await, "");
    let held = port.world.sandbox.snapshot();
    assert_eq!((held.events.len(), held.counts.outcomes["fault"]), (0, 1));
}

#[tokio::test]
async fn a_lost_answer_is_of_a_request_that_was_taken() {
    let port = Port::open().await;
    port.order(json!({ "lost": true, "next": 1 })).await;
    assert_eq!(port.send(&event("1")).await, "");
    let held = port.world.sandbox.snapshot();
    assert_eq!((held.events.len(), held.counts.outcomes["stored"]), (1, 1));
    let log = port.world.get("/sandbox/requests").await.body;
    assert_eq!(log["requests"][0]["status"], Value::Null, "the client saw none");
    assert_eq!(log["requests"][0]["fault"], "lost");
}

#[tokio::test]
async fn half_an_answer_has_its_head_and_some_of_its_body() {
    let port = Port::open().await;
    port.order(json!([
        { "half": true, "next": 1 },
        { "half": true, "status": 500, "body": { "errors": ["0123456789"] }, "next": 1 },
    ]))
    .await;
    let accepted = port.send(&event("1")).await;
    assert!(accepted.starts_with("HTTP/1.1 202 "), "{accepted}");
    assert!(
        accepted.contains("content-length: 2\r\n") && accepted.ends_with("\r\n\r\n{"),
        "{accepted}"
    );
    let canned = port.send(&event("2")).await;
    assert!(canned.starts_with("HTTP/1.1 500 "), "{canned}");
    assert!(canned.contains("content-length: 25\r\n"), "{canned}");
    assert!(canned.ends_with("\r\n\r\n{\"errors\":[\""), "{canned}");
    let keys: Vec<_> = port
        .world
        .sandbox
        .snapshot()
        .events
        .into_iter()
        .map(|e| e.unique_id)
        .collect();
    assert_eq!(keys, [Some("1".to_owned())], "the canned one was not taken");
}

#[tokio::test]
async fn half_a_204_is_a_broken_connection() {
    let port = Port::open().await;
    port.order(json!({ "half": true, "status": 204, "next": 1 })).await;
    assert_eq!(port.send(&event("1")).await, "");
}

#[tokio::test]
async fn what_hangs_is_let_go_when_the_faults_are_cleared() {
    let port = Port::open().await;
    port.order(json!({ "hang": true, "next": 1 })).await;
    let stream = port.connect("/api/events", &event("1")).await;
    port.until_logged(1).await;
    assert_eq!(
        port.world.get("/sandbox/faults").await.body["faults"],
        json!([]),
        "used up, still hanging"
    );
    port.world.call(Method::DELETE, "/sandbox/faults", &json!({})).await;
    assert_eq!(read_to_end(stream).await, "");
    assert!(port.world.sandbox.snapshot().events.is_empty());
    assert!(port.send_whole(&event("1")).await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn what_hangs_is_let_go_when_the_sandbox_stops() {
    let port = Port::open().await;
    port.order(json!({ "hang": true, "lost": true })).await;
    let stream = port.connect("/api/events", &event("1")).await;
    port.until_logged(1).await;
    assert_eq!(port.world.sandbox.snapshot().events.len(), 1, "it was taken");
    port.world.sandbox.stop();
    port.stop.cancel();
    assert_eq!(read_to_end(stream).await, "");
    tokio::time::timeout(AT_MOST / 2, port.served)
        .await
        .expect("the port closes without waiting for its deadline")
        .unwrap();
}

#[tokio::test]
async fn an_event_carries_its_own_broken_connections() {
    let port = Port::open().await;
    let script = json!([500, "lost", "reset", 202]);
    let event = changed(&event("1"), "/data/attributes/properties/sandbox_script", script);
    assert!(port.send_whole(&event).await.starts_with("HTTP/1.1 500 "));
    assert_eq!(port.send(&event).await, "");
    assert_eq!(port.send(&event).await, "");
    assert!(port.send_whole(&event).await.starts_with("HTTP/1.1 202 "));
    let held = port.world.sandbox.snapshot();
    assert_eq!((held.events.len(), held.events[0].sent), (1, 2));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_read_and_answered() {
    let port = Port::open().await;
    let large = json!({ "data": "x".repeat(6_000_000) });
    assert!(port.send_whole(&large).await.starts_with("HTTP/1.1 413 "));
}

impl Port {
    /// Sends an event and reads until its answer has begun.
    async fn send_whole(&self, document: &Value) -> String {
        let mut stream = self.connect("/api/events", document).await;
        let mut bytes = vec![0; 4096];
        let read = tokio::time::timeout(AT_MOST, stream.read(&mut bytes)).await;
        let read = read.expect("an answer in time").unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }
}
