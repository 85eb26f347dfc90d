//! Answers as bytes on a connection.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::delivery::Sender;
use crate::klaviyo::route;
use crate::model::{DeliveryKind, OutcomeKind, Timestamp};

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(5);
const BODY: &str = "{}";

/// A port at which each request is answered with these bytes.
async fn port(raw: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, raw.clone()));
        }
    });
    address
}

async fn serve(mut connection: TcpStream, raw: Vec<u8>) {
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
    // The other end may have read enough.
    drop(connection.write_all(&raw).await);
    // Until it hangs up: an early end would reset the connection, and with it what was written.
    while connection.read_buf(&mut request).await.unwrap_or(0) > 0 {}
}

fn sender(address: SocketAddr) -> Sender {
    let key = SecretString::from("pk_x");
    Sender::new(&format!("http://{address}"), &key, "2026-10-15", LONG).unwrap()
}

#[tokio::test]
async fn a_request_ends_within_its_own_time() {
    let soon = Duration::from_millis(200);
    let now = Timestamp::from_millis(0);
    let event = route(DeliveryKind::Event, None);
    for raw in ["", "HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\n"] {
        let sender = sender(port(raw.as_bytes().to_vec()).await);
        let (sent, _) = sender.send(&event, BODY.to_owned(), soon, now).await;
        assert_eq!(sent.kind, OutcomeKind::Unknown);
        assert_eq!(sent.error.as_deref(), Some("no answer in time"));
        let (got, body) = sender.get(&event, soon, now).await;
        assert_eq!((got.kind, body), (OutcomeKind::Unknown, Vec::new()));
    }
}
