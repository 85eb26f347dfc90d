//! Thousands of silent clients, and a daemon with as few descriptors as a service gets by default.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::TcpStream;

use super::AT_MOST;
use crate::support::{Daemon, Klaviyo, count, require};

const SILENT: usize = 5_000;
/// Runs what follows with a hard and a soft limit of open files.
const FEW: [&str; 4] = ["sh", "-c", "ulimit -n 1024; exec \"$@\"", "sh"];
/// How long a good client waits for its answer.
const SOON: Duration = Duration::from_secs(1);

/// Raises this process's limit of open files, if that is enough for the clients here.
fn room_for_clients() -> Option<()> {
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.maximum.is_none_or(|most| most >= 6_000);
    let current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    (enough && raised.is_ok()).then_some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_silent_clients_affect_neither_a_good_one_nor_delivery() {
    let Some(()) = require("6,000 open files", room_for_clients()) else {
        return;
    };
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    daemon.terminate().await;
    daemon.restart_under(&FEW).await;
    let silent = |_| async { TcpStream::connect(daemon.ingest).await.ok() };
    let silent = stream::iter(0..SILENT).map(silent).buffer_unordered(100);
    let silent = tokio::time::timeout(AT_MOST, silent.collect::<Vec<_>>());
    let held = silent.await.expect("every client can connect");
    assert_eq!(held.iter().flatten().count(), SILENT);
    for number in 0..20 {
        let user = format!("u{number}");
        let call = json!({"userId": user, "event": "e", "messageId": user});
        // Each with a connection of its own.
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("http://{}/v1/track", daemon.ingest));
        let request = request.basic_auth("dev", Some("")).body(call.to_string());
        let answer = tokio::time::timeout(SOON, request.send()).await;
        let answer = answer.unwrap_or_else(|_| panic!("call {number} waits")).unwrap();
        assert_eq!(answer.status(), 200);
        let alive = tokio::time::timeout(SOON, daemon.look("/healthz")).await;
        assert_eq!(alive.unwrap().0, 200);
    }
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 20);
    assert_eq!(klaviyo.events().len(), 20);
    let log = daemon.log();
    assert!(!log.contains("failed to accept"), "{log}");
    drop(held);
}
