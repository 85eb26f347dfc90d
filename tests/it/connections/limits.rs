//! Connections on which requests are made: they end all the same, and share the slots there are.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use klaviyo_relay::listener::{self, ServeOptions, Times, Trusted};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{AT_MOST, ended, opened};
use crate::support::eventually;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);

/// Times that nothing here waits for.
fn never() -> Times {
    let never = Duration::from_hours(1);
    Times {
        head: never,
        idle: never,
        write: never,
        age: never,
        closing: never,
    }
}

/// A port that answers `/` shortly, `/endless` without end, and `/hang` not at all.
struct Port {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Port {
    async fn by(options: ServeOptions) -> Self {
        let endless = || async {
            let part = Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16_000]));
            Body::from_stream(stream::repeat(part))
        };
        let routes = Router::new()
            .route("/", get(|| async { "well" }))
            .route("/endless", get(endless))
            .route("/hang", get(std::future::pending::<()>));
        let socket = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = listener::serve_with(options, socket, routes, stop.clone(), Duration::ZERO);
        tokio::spawn(serving);
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }

    /// Sends a request on a connection of its own.
    async fn is_served(&self) -> bool {
        let exchange = async {
            let mut stream = opened(self.address, REQUEST).await;
            answered(&mut stream).await
        };
        tokio::time::timeout(AT_MOST, exchange).await.unwrap_or(false)
    }
}

/// Whether a short answer comes.
async fn answered(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"well") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_connection() {
    let port = Port::by(ServeOptions {
        slots: 1,
        times: Times {
            write: SHORT,
            ..never()
        },
        ..ServeOptions::default()
    })
    .await;
    let request = String::from_utf8_lossy(REQUEST).replace("/ ", "/endless ");
    let unread = opened(port.address, request.as_bytes()).await;
    unread.readable().await.unwrap();
    // The only slot is taken by a request in progress, which no newcomer ends.
    assert!(port.is_served().await);
    drop(unread);
}

#[tokio::test]
async fn a_busy_connection_ends_at_its_age() {
    let port = Port::by(ServeOptions {
        times: Times { age: SHORT, ..never() },
        ..ServeOptions::default()
    })
    .await;
    let http_1 = async {
        let mut stream = opened(port.address, b"").await;
        while stream.write_all(REQUEST).await.is_ok() && answered(&mut stream).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let http_2 = async {
        let stream = TokioIo::new(opened(port.address, b"").await);
        let http = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = http.await.unwrap();
        let driving = tokio::spawn(connection);
        while sender.ready().await.is_ok() {
            let request = Request::get(format!("http://{}/", port.address));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let Ok(answer) = sender.send_request(request).await else {
                break;
            };
            // What is answered is answered whole.
            let answer = answer.into_body().collect().await.unwrap();
            assert_eq!(answer.to_bytes(), "well");
        }
        drop(sender);
        drop(driving.await.unwrap());
    };
    let both = async { tokio::join!(http_1, http_2) };
    assert!(tokio::time::timeout(AT_MOST, both).await.is_ok());
}

#[tokio::test]
async fn an_endless_request_is_cut_some_time_after_the_age() {
    let port = Port::by(ServeOptions {
        times: Times {
            age: SHORT,
            closing: SHORT,
            ..never()
        },
        ..ServeOptions::default()
    })
    .await;
    let request = String::from_utf8_lossy(REQUEST).replace("/ ", "/hang ");
    let mut stream = opened(port.address, request.as_bytes()).await;
    assert_eq!(ended("a request that hangs", &mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_for_a_new_one() {
    let port = Port::by(ServeOptions {
        slots: 2,
        times: never(),
        ..ServeOptions::default()
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = opened(port.address, REQUEST).await;
        assert!(answered(&mut stream).await);
        idle.push(stream);
    }
    assert!(port.is_served().await);
    assert_eq!(ended("who was idle for longest", &mut idle[0]).await, "");
}

#[tokio::test]
async fn an_address_has_a_share_of_the_slots_and_others_have_theirs() {
    let port = Port::by(ServeOptions {
        slots: 16,
        trusted: Trusted::new(&[]),
        times: never(),
        ..ServeOptions::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = opened(port.address, REQUEST).await;
        assert!(answered(&mut stream).await);
        held.push(stream);
    }
    let mut third = TcpStream::connect(port.address).await.unwrap();
    assert_eq!(ended("one too many", &mut third).await, "");
    let elsewhere = TcpSocket::new_v4().unwrap();
    elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = elsewhere.connect(port.address).await.unwrap();
    other.write_all(REQUEST).await.unwrap();
    assert!(answered(&mut other).await, "another address");
    drop(held);
    eventually("there is a slot again", || async {
        let mut stream = TcpStream::connect(port.address).await.ok()?;
        stream.write_all(REQUEST).await.ok()?;
        answered(&mut stream).await.then_some(())
    })
    .await;
}

/// RFC 9113, 6.5.2: setting 3 of the server's first frame.
#[tokio::test]
async fn an_http_2_connection_has_a_bounded_number_of_concurrent_requests() {
    let port = Port::by(ServeOptions::default()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut stream = opened(port.address, preface).await;
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "a SETTINGS frame");
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();
    let streams = settings.chunks(6).find(|setting| setting[..2] == [0, 3]);
    assert_eq!(streams.unwrap()[2..], [0, 0, 0, 100]);
}

#[tokio::test]
async fn the_time_for_a_head_begins_with_its_first_byte() {
    let port = Port::by(ServeOptions {
        times: Times { head: SHORT, ..never() },
        ..ServeOptions::default()
    })
    .await;
    let mut idle = opened(port.address, REQUEST).await;
    assert!(answered(&mut idle).await);
    let mut slow = opened(port.address, REQUEST).await;
    assert!(answered(&mut slow).await);
    slow.write_all(b"GET / HT").await.unwrap();
    assert_eq!(ended("a head that is not whole", &mut slow).await, "");
    idle.write_all(REQUEST).await.unwrap();
    assert!(answered(&mut idle).await, "who was idle meanwhile");
}

#[tokio::test]
async fn a_connection_that_is_idle_for_long_is_closed_gracefully() {
    let port = Port::by(ServeOptions {
        times: Times {
            idle: SHORT,
            closing: SHORT,
            ..never()
        },
        ..ServeOptions::default()
    })
    .await;
    let mut http_1 = opened(port.address, REQUEST).await;
    assert!(answered(&mut http_1).await);
    assert_eq!(ended("idle in HTTP/1.1", &mut http_1).await, "");
    // The preface, no settings, and GET of `/` in the names that HTTP/2 knows (RFC 7541, appendix A).
    let request =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01h";
    let mut http_2 = opened(port.address, request).await;
    let mut read = Vec::new();
    let end = tokio::time::timeout(AT_MOST, http_2.read_to_end(&mut read)).await;
    end.expect("idle in HTTP/2: still open").unwrap();
    let mut kinds = Vec::new();
    let mut rest = &read[..];
    while let [high, middle, low, kind, ..] = *rest {
        kinds.push(kind);
        let length = u32::from_be_bytes([0, high, middle, low]);
        rest = &rest[9 + usize::try_from(length).unwrap()..];
    }
    assert!(kinds.contains(&1), "answered: {kinds:?}");
    assert!(kinds.contains(&7), "GOAWAY: {kinds:?}");
}
