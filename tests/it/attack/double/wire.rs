//! HTTP/1.1 by hand: a request read from a connection, an answer written to it byte for byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::answer::{Document, Endpoint, Request};

/// A connection, and what was read of it and not yet used.
pub(super) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// The next request; `None` at the end of the connection.
    pub(super) async fn request(&mut self) -> Option<Request> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(&self.read[..head]).into_owned();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        let end = head + length.unwrap_or(0_usize);
        while self.read.len() < end {
            self.more().await?;
        }
        let body = String::from_utf8_lossy(&self.read[head..end]).into_owned();
        self.read.drain(..end);
        let mut words = text.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Request {
            endpoint: Endpoint::of(method, path),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
        })
    }

    async fn more(&mut self) -> Option<()> {
        let mut part = vec![0; 64 << 10];
        let length = self.stream.read(&mut part).await.ok()?;
        self.read.extend_from_slice(&part[..length]);
        (length > 0).then_some(())
    }

    /// Waits until the other side hangs up.
    pub(super) async fn gone(&mut self) {
        while self.more().await.is_some() {}
    }

    /// Writes bytes, so many at a time; `None` when the other side is gone.
    pub(super) async fn write(&mut self, bytes: &[u8], part: usize, pause: Duration) -> Option<()> {
        for part in bytes.chunks(part.min(1 << 20)) {
            self.stream.write_all(part).await.ok()?;
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        self.stream.flush().await.ok()
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(self) {
        drop(self.stream.set_zero_linger());
    }
}

/// An answer's bytes.
pub(super) fn bytes(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut head = format!("HTTP/1.1 {status} Answer\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if status != 204 && status != 304 {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    let mut bytes = format!("{head}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A documented answer's bytes.
pub(super) fn documented((status, body): &Document, more: &[(String, String)]) -> Vec<u8> {
    let mut headers = more.to_vec();
    let body = body.as_ref().map(ToString::to_string);
    if body.is_some() {
        let media_type = "application/vnd.api+json".to_owned();
        headers.push(("Content-Type".to_owned(), media_type));
    }
    bytes(*status, &headers, body.unwrap_or_default().as_bytes())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
