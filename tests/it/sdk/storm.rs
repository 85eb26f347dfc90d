//! What happens to a client while it sends: the relay refuses for a while, is killed, and is absent for a while.
//!
//! Each step waits until the client has met it, so that none can pass unseen.

use std::process::Command;

use tokio::net::TcpListener;

use super::client::Client;
use crate::support::{Daemon, eventually, require};

/// Numbered events that each client sends in all.
pub(super) const EVENTS: u64 = 500;
/// Refusals that a client must have met before it is taken from again.
const REFUSALS: usize = 3;

/// What the client met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    /// Requests answered 429.
    pub(super) refused: usize,
    /// Events in requests that were answered 200; those that came twice counted twice.
    pub(super) sent: u64,
}

/// Whether the storm can be played on this machine.
pub(super) fn can_be_played() -> bool {
    let sqlite3 = Command::new("sqlite3").arg("-version").output().ok();
    require("the sqlite3 command", sqlite3).is_some()
}

/// Lets a client send all of its events through a storm, until the relay has taken `calls`. Those that close early are
/// told to while the relay is gone, and their closing must wait for it; the others stay until everything was taken.
pub(super) async fn storm(
    daemon: &mut Daemon,
    client: &mut Client,
    calls: u64,
    closes_early: bool,
) -> Met {
    client.tell("150");
    accepted(daemon, 100).await;

    set_refusing(daemon, true);
    client.tell("300");
    eventually("the client meets refusals", || async {
        (refusals(&daemon.log()) >= REFUSALS).then_some(())
    })
    .await;
    set_refusing(daemon, false);

    client.tell("400");
    accepted(daemon, 250).await;
    daemon.kill();
    let before = daemon.log();
    client.tell(&EVENTS.to_string());
    if closes_early {
        client.close();
    }
    meet_nobody(daemon).await;
    daemon.restart().await;
    accepted(daemon, calls).await;
    Met {
        refused: refusals(&before),
        sent: sent(&before) + sent(&daemon.log()),
    }
}

/// Events in the requests answered 200 that a log tells of.
fn sent(log: &str) -> u64 {
    lines(log, "calls stored")
        .iter()
        .map(|line| line["events"].as_u64().unwrap())
        .sum()
}

fn refusals(log: &str) -> usize {
    lines(log, "request refused")
        .iter()
        .filter(|line| line["status"] == 429)
        .count()
}

fn lines(log: &str, message: &str) -> Vec<serde_json::Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["message"] == message)
        .collect()
}

/// Waits until the relay has taken that many events.
pub(super) async fn accepted(daemon: &Daemon, events: u64) {
    eventually(&format!("{events} events are taken"), || async {
        let (_, status) = daemon.look("/status").await;
        let accepted = status["audit"]["accepted"].as_u64().unwrap();
        (accepted >= events).then_some(())
    })
    .await;
}

/// Makes the relay refuse what it is sent, and take it again: its outbox fails to write, so that the answer is its
/// own, with its own `Retry-After`.
fn set_refusing(daemon: &Daemon, refusing: bool) {
    let sql = if refusing {
        "CREATE TRIGGER refusing BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'refusing'); END"
    } else {
        "DROP TRIGGER refusing"
    };
    let done = Command::new("sqlite3")
        .args(["-bail", "-cmd", ".timeout 10000"])
        .arg(daemon.database())
        .arg(sql)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Stands at the port of a relay that is gone until a client comes, and hangs up on it.
async fn meet_nobody(daemon: &Daemon) {
    let port = eventually("the port is free", || async {
        TcpListener::bind(daemon.ingest).await.ok()
    })
    .await;
    eventually("the client meets nobody", || async {
        port.accept().await.ok().map(drop)
    })
    .await;
}
