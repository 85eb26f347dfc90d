//! TLS on the ingest port, by real handshakes with the built daemon.

mod identity;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client, ClientBuilder, Version};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub(crate) use identity::Identity;

use crate::support::{Daemon, Klaviyo, count, eventually};

/// A daemon with TLS, and the folder of its certificate.
struct Secured {
    daemon: Daemon,
    folder: TempDir,
    klaviyo: Klaviyo,
}

impl Secured {
    async fn with(identity: &Identity) -> Self {
        let folder = TempDir::new().unwrap();
        identity.write(folder.path());
        Self::over(folder, "").await
    }

    /// The files lie below `inside`.
    async fn over(folder: TempDir, inside: &str) -> Self {
        let klaviyo = Klaviyo::start().await;
        let below = folder.path().join(inside);
        let ingest = format!(
            "listen = \"127.0.0.1:0\"\ntls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"",
            below.display()
        );
        let daemon = Daemon::start_with(&klaviyo, &ingest, "path = \"outbox.db\"\nmin_free_disk = 0", "").await;
        Self {
            daemon,
            folder,
            klaviyo,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.daemon.ingest)
    }

    /// The certificate that a new connection gets, whatever it is.
    async fn presented(&self) -> Vec<u8> {
        let anything = Client::builder().tls_danger_accept_invalid_certs(true);
        let client = built(anything.tls_info(true));
        let answer = client.get(self.url("/")).send().await.unwrap();
        let info = answer.extensions().get::<TlsInfo>().unwrap();
        info.peer_certificate().unwrap().to_vec()
    }

    async fn presents(&self, identity: &Identity) {
        eventually("the certificate is presented", || async {
            (self.presented().await == identity.der).then_some(())
        })
        .await;
    }

    /// How often a certificate was not accepted.
    fn errors(&self) -> usize {
        let log = self.daemon.log();
        log.matches("the certificate was not read again").count()
    }
}

fn built(client: ClientBuilder) -> Client {
    client.no_proxy().build().unwrap()
}

/// A client that trusts this certificate and no other.
fn trusting(identity: &Identity) -> ClientBuilder {
    Client::builder().tls_certs_only([Certificate::from_der(&identity.der).unwrap()])
}

fn call(user: &str) -> Value {
    json!({"userId": user, "event": "Item Added", "messageId": user})
}

async fn post(client: &Client, secured: &Secured, user: &str) -> reqwest::Response {
    let request = client.post(secured.url("/v1/track"));
    let request = request.basic_auth("dev", Some("")).body(call(user).to_string());
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_call_over_https_is_stored_and_delivered() {
    let identity = Identity::new();
    let secured = Secured::with(&identity).await;
    let client = built(trusting(&identity));
    assert_eq!(post(&client, &secured, "ann").await.status(), 200);
    let status = secured.daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 1);
    assert_eq!(secured.klaviyo.events().len(), 1);
}

#[tokio::test]
async fn the_client_chooses_http_1_or_2_by_alpn() {
    let identity = Identity::new();
    let secured = Secured::with(&identity).await;
    let both = built(trusting(&identity));
    let answer = post(&both, &secured, "ann").await;
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    let old = built(trusting(&identity).http1_only());
    let answer = post(&old, &secured, "bob").await;
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_11, 200));
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let identity = Identity::new();
    let secured = Secured::with(&identity).await;
    for version in [reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3] {
        let one = trusting(&identity).tls_version_min(version).tls_version_max(version);
        let answer = post(&built(one), &secured, "ann").await;
        assert_eq!(answer.status(), 200, "{version:?}");
    }
}

#[tokio::test]
async fn the_settings_document_has_https_on_loopback_too() {
    let identity = Identity::new();
    let secured = Secured::with(&identity).await;
    let client = built(trusting(&identity));
    let path = secured.url("/v1/projects/dev/settings");
    let answer = client.get(path).send().await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(document["integrations"]["Segment.io"]["protocol"], "https");
}

#[tokio::test]
async fn plain_http_on_the_port_gets_a_hint_to_use_https() {
    let secured = Secured::with(&Identity::new()).await;
    let client = built(Client::builder());
    let url = format!("http://{}/v1/track", secured.daemon.ingest);
    let request = client.post(url).basic_auth("dev", Some(""));
    let answer = request.body(call("ann").to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let words = answer.text().await.unwrap();
    assert_eq!(words, "this port speaks TLS: use https:// in the address\n");
    let status = secured.daemon.settled().await;
    assert_eq!(count(&status, "accepted"), 0);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_costs_nobody_else() {
    let identity = Identity::new();
    let secured = Secured::with(&identity).await;
    let mut silent = Vec::new();
    for at in 0..50 {
        let mut stream = TcpStream::connect(secured.daemon.ingest).await.unwrap();
        if at % 2 == 0 {
            // The head of a record, and then nothing more.
            stream.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
        }
        silent.push(stream);
    }
    let client = built(trusting(&identity));
    assert_eq!(post(&client, &secured, "ann").await.status(), 200);
    drop(silent);
}

#[tokio::test]
async fn nonsense_instead_of_a_handshake_is_closed_and_not_logged() {
    let identity = Identity::new();
    let secured = Secured::with(&identity).await;
    let mut stream = TcpStream::connect(secured.daemon.ingest).await.unwrap();
    stream.write_all(b"zq7xw2lk9vb4nm1r, and more\n\n").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
    // The daemon hangs up, with an alert or without.
    drop(closed.await);
    assert!(!secured.daemon.log().contains("zq7xw2"));
    let client = built(trusting(&identity));
    assert_eq!(post(&client, &secured, "ann").await.status(), 200);
}

#[tokio::test]
async fn sighup_swaps_the_certificate_and_open_connections_stay() {
    let (old, new) = (Identity::new(), Identity::new());
    let secured = Secured::with(&old).await;
    let open = built(trusting(&old));
    assert_eq!(post(&open, &secured, "ann").await.status(), 200);
    new.write(secured.folder.path());
    secured.daemon.signal("-HUP");
    secured.presents(&new).await;
    // This client would refuse the new certificate: its connection is the old one.
    assert_eq!(post(&open, &secured, "bob").await.status(), 200);
    let fresh = built(trusting(&new));
    assert_eq!(post(&fresh, &secured, "cat").await.status(), 200);
    assert_eq!(secured.errors(), 0);
}

#[tokio::test]
async fn a_swapped_link_is_noticed_without_a_signal() {
    let (old, new) = (Identity::new(), Identity::new());
    let folder = TempDir::new().unwrap();
    // As Kubernetes mounts a secret: one link to the folder of the day.
    for (name, identity) in [("old", &old), ("new", &new)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        identity.write(&folder.path().join(name));
    }
    symlink("old", folder.path().join("live")).unwrap();
    let secured = Secured::over(folder, "live").await;
    assert_eq!(secured.presented().await, old.der);
    swap_link(secured.folder.path(), "new");
    secured.presents(&new).await;
    assert_eq!(secured.errors(), 0);
}

fn swap_link(folder: &Path, target: &str) {
    symlink(target, folder.join("next")).unwrap();
    fs::rename(folder.join("next"), folder.join("live")).unwrap();
}

#[tokio::test]
async fn a_broken_new_pair_leaves_the_old_one_and_is_reported_once() {
    let (old, new) = (Identity::new(), Identity::new());
    let secured = Secured::with(&old).await;
    fs::write(secured.folder.path().join("key.pem"), &new.key).unwrap();
    eventually("the mistake is logged", || async {
        (secured.errors() > 0).then_some(())
    })
    .await;
    let log = secured.daemon.log();
    assert!(log.contains("is not that of the certificate in tls_cert"), "{log}");
    assert_eq!(secured.presented().await, old.der);
    new.write(secured.folder.path());
    secured.presents(&new).await;
    assert_eq!(secured.errors(), 1, "{}", secured.daemon.log());

    fs::remove_file(secured.folder.path().join("cert.pem")).unwrap();
    secured.daemon.signal("-HUP");
    eventually("the lack is logged", || async { (secured.errors() == 2).then_some(()) }).await;
    assert_eq!(secured.presented().await, new.der);
}

#[tokio::test]
async fn sighup_ends_no_daemon_without_tls_either() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    daemon.signal("-HUP");
    eventually("the signal is handled", || async {
        let log = daemon.log();
        log.contains("nothing else is to be done").then_some(())
    })
    .await;
    daemon.send("/v1/track", &call("ann")).await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes() {
    let mut secured = Secured::with(&Identity::new()).await;
    let silent = TcpStream::connect(secured.daemon.ingest).await.unwrap();
    assert!(secured.daemon.terminate().await.success());
    let log = secured.daemon.log();
    assert!(!log.contains("connections were cut"), "{log}");
    drop(silent);
}
