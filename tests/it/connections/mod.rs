//! Connections end: whatever a client does or leaves undone, it costs a bounded time and slot, and others are served.

mod bodies;
mod flood;
mod leaving;
mod limits;
mod silent;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the promises below allow at most, with room for a busy machine; without them it is a minute, or for ever.
const AT_MOST: Duration = Duration::from_secs(40);

/// A connection on which this was sent.
async fn opened(address: SocketAddr, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// Waits until the other end closes or breaks the connection; answers what it sent before.
async fn ended(what: &str, stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    let end = tokio::time::timeout(AT_MOST, stream.read_to_end(&mut read)).await;
    // Whether it was closed or reset: it has ended.
    drop(end.unwrap_or_else(|_| panic!("still open: {what}")));
    String::from_utf8_lossy(&read).into_owned()
}
