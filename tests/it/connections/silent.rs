//! Clients that connect and send no whole request head.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{ended, opened};
use crate::support::Daemon;
use crate::tls::Identity;

/// What such clients send. The second is the beginning of HTTP/2's own.
const OPENINGS: [&str; 4] = [
    "",
    "PRI * HT",
    "GET / HTTP/1.1\r\nHost: h\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// The sandbox in the program.
fn sandbox_of(daemon: &Daemon) -> SocketAddr {
    let log = daemon.log();
    let url = log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["sandbox"].as_str()?.to_owned())
    });
    let url = url.unwrap();
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    address.parse().unwrap()
}

#[tokio::test]
async fn a_client_without_a_complete_head_is_cut_off_on_every_port() {
    let daemon = Daemon::start_alone("").await;
    let ports = [
        ("ingest", daemon.ingest),
        ("admin", daemon.admin),
        ("sandbox", sandbox_of(&daemon)),
    ];
    let clients = ports.iter().flat_map(|(name, address)| {
        OPENINGS.map(|opening| async move {
            let mut stream = opened(*address, opening.as_bytes()).await;
            ended(&format!("{name} after {opening:?}"), &mut stream).await
        })
    });
    let ends = join_all(clients).await;
    assert_eq!(ends.len(), ports.len() * OPENINGS.len());
}

#[tokio::test]
async fn a_client_that_is_silent_after_a_tls_handshake_is_cut_off() {
    let identity = Identity::new();
    let folder = TempDir::new().unwrap();
    identity.write(folder.path());
    let klaviyo = crate::support::Klaviyo::start().await;
    let ingest = format!(
        "listen = \"127.0.0.1:0\"\ntls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"",
        folder.path().display()
    );
    let outbox = "path = \"outbox.db\"\nmin_free_disk = 0";
    let daemon = Daemon::start_with(&klaviyo, &ingest, outbox, "").await;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(identity.der)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let clients = OPENINGS.map(|opening| {
        let (connector, address) = (connector.clone(), daemon.ingest);
        async move {
            let stream = opened(address, b"").await;
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = connector.connect(name, stream).await.unwrap();
            stream.write_all(opening.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            ended(&format!("TLS, then {opening:?}"), &mut stream).await
        }
    });
    join_all(clients).await;
}
