//! HTTP as it is on the wire: what clients and proxies do below the calls.

use std::net::SocketAddr;
use std::time::Duration;

use klaviyo_relay::listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Bench;

const CALL: &str = r#"{"userId":"u","event":"e"}"#;

/// A bench that listens on a port.
struct Port {
    bench: Bench,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Port {
    async fn open() -> Self {
        let bench = Bench::new().await;
        let socket = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let routes = bench.router.clone();
        let serving = listener::serve(socket, routes, stop.clone(), Duration::from_secs(5));
        Self {
            bench,
            address,
            stop,
            server: tokio::spawn(serving),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn close(self) -> usize {
        let stored = self.bench.stored(None).await.len();
        self.stop.cancel();
        self.server.await.unwrap();
        stored
    }
}

/// Reads until what was read ends with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = stream.read_u8().await;
        read.push(byte.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&read))));
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn http_2_works_with_prior_knowledge() {
    let port = Port::open().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("http://{}/v1/track", port.address);
    let calls = (0..20).map(|_| {
        let request = client.post(&url).header("x-write-key", "dev").body(CALL);
        tokio::spawn(request.send())
    });
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), r#"{"success":true}"#);
    }
    drop(client);
    assert_eq!(port.close().await, 20);
}

/// Settings name the host by the `:authority` of HTTP/2, which has no `Host`.
#[tokio::test]
async fn settings_over_http_2_name_the_host_of_the_request() {
    let port = Port::open().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("http://{}/v1/projects/dev/settings", port.address);
    let answer = client.get(url).send().await.unwrap().text().await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        answer["integrations"]["Segment.io"]["apiHost"],
        format!("{}/v1", port.address)
    );
    drop(client);
    port.close().await;
}

/// Kotlin's SDK sends in chunks, of a length it does not know beforehand.
#[tokio::test]
async fn a_body_in_chunks_needs_no_length() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    let (start, end) = CALL.split_at(10);
    let request = format!(
        "POST /v1/track HTTP/1.1\r\nHost: h\r\nX-Write-Key: dev\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{start}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
        start.len(),
        end.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, r#"{"success":true}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(stream);
    assert_eq!(port.close().await, 1);
}

#[tokio::test]
async fn a_connection_is_reused_after_every_answer() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    for (key, status) in [("dev", 200), ("nobody", 401), ("dev", 200)] {
        let request = format!(
            "POST /v1/track/ HTTP/1.1\r\nHost: h\r\nX-Write-Key: {key}\r\nContent-Length: {}\r\n\r\n{CALL}",
            CALL.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "}").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    drop(stream);
    assert_eq!(port.close().await, 2);
}

/// curl asks before it sends a body of over a megabyte; PHP's SDK, which uses it, too.
#[tokio::test]
async fn expect_100_continue_is_answered() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    let head = format!(
        "POST /v1/track HTTP/1.1\r\nHost: h\r\nX-Write-Key: dev\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        CALL.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let interim = read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(CALL.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, r#"{"success":true}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(stream);
    assert_eq!(port.close().await, 1);
}

/// RFC 9112, 3.2.
#[tokio::test]
async fn a_request_needs_exactly_one_host() {
    let port = Port::open().await;
    for (hosts, status) in [("", 400), ("Host: h\r\nHost: i\r\n", 400), ("Host: h\r\n", 200)] {
        let mut stream = port.connect().await;
        let request = format!(
            "POST /v1/track HTTP/1.1\r\n{hosts}X-Write-Key: dev\r\nContent-Length: {}\r\n\r\n{CALL}",
            CALL.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "\r\n").await;
        assert_eq!(answer.split(' ').nth(1), Some(status.to_string().as_str()), "{hosts:?}");
    }
    assert_eq!(port.close().await, 1);
}

/// SDKs send again after a 503, and a client that frames its chunks wrongly would do so for ever.
#[tokio::test]
async fn a_malformed_chunk_gets_a_400_and_an_incomplete_body_does_not() {
    let port = Port::open().await;
    for (chunks, closes, status) in [
        ("zz\r\n{}\r\n0\r\n\r\n", false, "400"),
        ("2\r\n{}xx0\r\n\r\n", false, "400"),
        ("fffffffffffffffff\r\n{}", false, "400"),
        ("20\r\n{}", true, "503"),
    ] {
        let mut stream = port.connect().await;
        let request = format!(
            "POST /v1/track HTTP/1.1\r\nHost: h\r\nX-Write-Key: dev\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        if closes {
            stream.shutdown().await.unwrap();
        }
        let answer = read_until(&mut stream, "}").await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{chunks:?}: {answer}");
    }
    assert_eq!(port.close().await, 0);
}
