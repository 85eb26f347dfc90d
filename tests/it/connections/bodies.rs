//! Clients whose bodies stand still, or nearly.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{AT_MOST, ended, opened};
use crate::support::{Daemon, Klaviyo, eventually};

fn head(length: usize, key: &str) -> String {
    format!("POST /v1/track HTTP/1.1\r\nHost: h\r\n{key}Content-Length: {length}\r\n\r\n")
}

const KEY: &str = "X-Write-Key: dev\r\n";

#[tokio::test]
async fn a_stalled_body_releases_its_memory() {
    let klaviyo = Klaviyo::start().await;
    let ingest = "listen = \"127.0.0.1:0\"\nmax_batch_bytes = \"512KiB\"\nmax_bytes_in_progress = \"1MiB\"";
    let outbox = "path = \"outbox.db\"\nmin_free_disk = 0";
    let daemon = Daemon::start_with(&klaviyo, ingest, outbox, "").await;
    // With and without a key: both hold what they sent, and no more comes.
    let stand_still = async || {
        let mut held = Vec::new();
        for key in [KEY, "", KEY, KEY] {
            let mut sent = head(400_000, key).into_bytes();
            sent.extend(vec![b' '; 330_000]);
            held.push(opened(daemon.ingest, &sent).await);
        }
        held
    };
    let large = json!({"userId": "u", "event": "e", "properties": {"pad": "x".repeat(200_000)}});
    let answered = async |status: u16| {
        let answered = async || (daemon.try_post("/v1/track", &large).await? == status).then_some(());
        let waited = eventually("the answer changes", answered);
        tokio::time::timeout(AT_MOST, waited).await.is_ok()
    };
    let mut held = stand_still().await;
    let mut is_full = answered(429).await;
    for _again in 0..2 {
        if !is_full {
            // On a busy machine the first may be given up before the last is there.
            held = stand_still().await;
            is_full = answered(429).await;
        }
    }
    assert!(is_full, "the bodies never filled the room");
    assert!(answered(200).await, "the room was not given back");
    for mut stream in held {
        let answer = ended("the body's connection", &mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
}

#[tokio::test]
async fn a_stalled_form_is_closed() {
    let daemon = Daemon::start_alone("token = \"a-token-of-32-random-characters!\"").await;
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";
    for path in ["/login", "/api/v1/hold"] {
        let token = "Authorization: Bearer a-token-of-32-random-characters!\r\n";
        let kind = if path == "/login" {
            kind.to_owned()
        } else {
            format!("Content-Type: application/json\r\n{token}")
        };
        let head = head(1_000, &kind).replace("/v1/track", path);
        let mut stream = opened(daemon.admin, head.as_bytes()).await;
        let answer = ended(path, &mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_trickling_body_is_closed() {
    let daemon = Daemon::start_alone("").await;
    for path in ["/v1/track", "/v1/m"] {
        let head = head(10_000, KEY).replace("/v1/track", path);
        let mut stream = opened(daemon.ingest, head.as_bytes()).await;
        let (mut reader, mut writer) = stream.split();
        let trickle = async {
            let mut pace = tokio::time::interval(Duration::from_millis(500));
            loop {
                pace.tick().await;
                // The other end may be closed already.
                if writer.write_all(b" ").await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let answered = async {
            let mut byte = [0];
            drop(reader.read(&mut byte).await);
        };
        let answered = async {
            tokio::select! {
                () = answered => {}
                () = trickle => {}
            }
        };
        let answered = tokio::time::timeout(AT_MOST, answered).await;
        assert!(answered.is_ok(), "{path}: the body is still awaited");
    }
}
