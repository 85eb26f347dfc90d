//! TLS on a port: handshakes with the current certificate, and its replacement while the port serves.
//!
//! Promises that a broken new pair of files leaves the old one in use, that new handshakes get the new certificate
//! while open connections stay, and that nothing a client sent reaches a log.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::certificate::{CertificateError, Files, Pair, Stamp};

/// How often the files are checked.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// The protocols that a port offers, in the order of preference (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS with a certificate from files. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: Files,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
    /// The state of the files when they were last read, with or without success.
    read: Mutex<Stamp>,
}

/// A connection that has begun.
pub(super) enum Opened {
    /// The handshake is done.
    Tls(Box<TlsStream<TcpStream>>),
    /// The client speaks plain HTTP; nothing was read.
    Plain(TcpStream),
}

impl Tls {
    /// Reads the files, and checks that they belong together.
    pub fn load(files: Files) -> Result<Self, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamp = files.stamp();
        let current = Arc::new(Current {
            pair: RwLock::new(Arc::new(files.read(&provider)?)),
        });
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(CertificateError::Provider)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self(Arc::new(Shared {
            files,
            current,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            read: Mutex::new(stamp),
        })))
    }

    /// When the current certificate expires, in milliseconds since 1970; `None` when that cannot be parsed.
    pub fn expires_at_ms(&self) -> Option<i64> {
        self.0.current.pair().expires_at_ms
    }

    /// Reads the files again. New handshakes use their current content; on an error the old certificate stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let Shared {
            files,
            current,
            acceptor,
            read,
        } = &*self.0;
        *read.lock().unwrap_or_else(PoisonError::into_inner) = files.stamp();
        let provider: &CryptoProvider = acceptor.config().crypto_provider();
        let pair = Arc::new(files.read(provider)?);
        *current.pair.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    /// Checks the files until `stop`, and calls `changed` each time they have changed and are stable again, so that a
    /// certificate is not loaded between the replacement of its file and that of its key.
    pub async fn watch(&self, stop: CancellationToken, changed: impl Fn()) {
        let mut pace = tokio::time::interval(CHECK_EVERY);
        let mut seen = None;
        while stop.run_until_cancelled(pace.tick()).await.is_some() {
            let stamp = self.0.files.stamp();
            let known = *self.0.read.lock().unwrap_or_else(PoisonError::into_inner) == stamp;
            if !known && seen.as_ref() == Some(&stamp) {
                changed();
            }
            seen = Some(stamp);
        }
    }

    /// Performs the handshake, unless the first byte shows that the client does not speak TLS.
    pub(super) async fn open(&self, stream: TcpStream) -> io::Result<Opened> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Methods are capital letters. A TLS record never begins with one (22 stands for a handshake: RFC 8446, 5.1),
        // and rustls answers anything else with an alert.
        if first[0].is_ascii_uppercase() {
            return Ok(Opened::Plain(stream));
        }
        let stream = self.0.acceptor.accept(stream).await?;
        Ok(Opened::Tls(Box::new(stream)))
    }
}

/// The answer to a client that speaks plain HTTP to a port with TLS.
pub(super) fn https_only() -> Router {
    Router::new().fallback(|| async {
        let closing = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CONNECTION, "close"),
        ];
        let words = "this port speaks TLS: use https:// in the address\n";
        (StatusCode::BAD_REQUEST, closing, words)
    })
}

/// The current certificate, which rustls reads at each handshake.
struct Current {
    pair: RwLock<Arc<Pair>>,
}

impl Current {
    fn pair(&self) -> Arc<Pair> {
        Arc::clone(&self.pair.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.pair().certified))
    }
}
