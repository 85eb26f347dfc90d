//! A load balancer whose backend has gone: it keeps established connections and answers nothing on them, while new ones
//! work.

use std::net::SocketAddr;
use std::sync::Arc;

use klaviyo_relay::sandbox::Options;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};
use crate::tls::Identity;

/// Ends TLS with HTTP/2 in front of a sandbox.
struct Forwarder {
    address: SocketAddr,
    /// Connections from before the last change are silent.
    silenced: watch::Sender<u64>,
}

impl Forwarder {
    async fn start(identity: &Identity, behind: SocketAddr) -> Self {
        let chain = vec![CertificateDer::from(identity.der.clone())];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silenced = watch::Sender::new(0);
        let silence = silenced.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, mut silence) = (acceptor.clone(), silence.subscribe());
                tokio::spawn(async move {
                    // A daemon that does not trust the certificate yet.
                    let Ok(mut near) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut far = TcpStream::connect(behind).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = silence.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, silenced }
    }

    fn silence(&self) {
        self.silenced.send_modify(|times| *times += 1);
    }
}

#[tokio::test]
async fn delivery_goes_on_over_a_new_connection_when_one_goes_silent() {
    let klaviyo = Klaviyo::with(Options {
        private_key: "pk_attack".to_owned(),
        ..Options::default()
    })
    .await;
    let identity = Identity::new();
    let folder = TempDir::new().unwrap();
    identity.write(folder.path());
    let forwarder = Forwarder::start(&identity, klaviyo.address).await;
    let endpoint = format!("https://{}", forwarder.address);
    let mut daemon = Daemon::start_before(&endpoint, "\n[delivery]\ntimeout = \"1s\"").await;
    daemon.terminate().await;
    let trust = format!("SSL_CERT_FILE={}/cert.pem", folder.path().display());
    daemon.restart_under(&["env", &trust]).await;
    daemon.send("/v1/track", &track("ann", 1)).await;
    eventually("the first call is delivered", || async {
        (klaviyo.events().len() == 1).then_some(())
    })
    .await;
    forwarder.silence();
    daemon.send("/v1/track", &track("ann", 2)).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 2);
    assert_eq!(klaviyo.events().len(), 2);
}
