//! What happens to a client while it sends: the relay refuses for a while, is killed, is absent for a while, and then
//! stores what it is sent while its answers are lost, so that the client must send again what is already there.
//!
//! Each step waits until the client has met it, so that none can pass unseen.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::client::Client;
use crate::support::{Daemon, eventually, require};

/// Numbered events that each client sends in all.
pub(super) const EVENTS: u64 = 500;
/// Refusals that a client must have met before it is accepted again.
const REFUSALS: u64 = 3;
/// Answers that a client must have missed before it gets one again.
const LOST: usize = 3;

/// What the client met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    /// Requests answered 429.
    pub(super) refused: u64,
    /// Events that came again though they were stored. A killed relay may have logged fewer.
    pub(super) again: u64,
}

/// Whether the storm can be played on this machine.
pub(super) fn can_be_played() -> bool {
    let sqlite3 = Command::new("sqlite3").arg("-version").output().ok();
    require("the sqlite3 command", sqlite3).is_some()
}

/// Lets a client send all of its events through a storm, until the relay has accepted `calls`. Those that close early
/// get that command while the relay is gone, and their closing must wait for it; the others stay until everything was
/// accepted.
pub(super) async fn storm(daemon: &mut Daemon, client: &mut Client, calls: u64, closes_early: bool) -> Met {
    client.write_line("150");
    accepted(daemon, client, 100).await;

    set_refusing(daemon, true);
    client.write_line("300");
    eventually("the client meets refusals", || async {
        client.assert_well();
        (refusals(&daemon.log()) >= REFUSALS).then_some(())
    })
    .await;
    set_refusing(daemon, false);

    client.write_line("400");
    accepted(daemon, client, 250).await;
    daemon.kill();
    let log = daemon.last_log();
    let (refused, before) = (refusals(&log), copies(&log));
    client.write_line(&EVENTS.to_string());
    if closes_early {
        client.close();
    }
    let port = meet_nobody(daemon.ingest).await;

    daemon.restart_elsewhere().await;
    lose_answers(port, daemon.ingest).await;
    daemon.kill();
    let before = before + copies(&daemon.last_log());
    daemon.restart().await;
    accepted(daemon, client, calls).await;
    // All are there, and a client may still be pausing before it tries again what it had no answer for.
    let copies = eventually("what was stored unanswered is sent again", || async {
        client.assert_well();
        Some(copies(&daemon.log())).filter(|copies| *copies > 0)
    })
    .await;
    Met {
        refused,
        again: before + copies,
    }
}

/// Events that came again though they were stored, as a log has them.
fn copies(log: &str) -> u64 {
    lines(log, "calls stored")
        .iter()
        .map(|line| line["copies"].as_u64().unwrap())
        .sum()
}

fn refusals(log: &str) -> u64 {
    let refused = lines(log, "request rejected");
    let refused = refused.iter().filter(|line| line["status"] == 429);
    u64::try_from(refused.count()).unwrap()
}

fn lines(log: &str, message: &str) -> Vec<serde_json::Value> {
    let message = format!("\"message\":\"{message}\"");
    log.lines()
        .filter(|line| line.contains(&message))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Waits until the relay has accepted that many events of a client. Its outbox is read: a relay that was killed may
/// not have logged the last that it stored.
pub(super) async fn accepted(daemon: &Daemon, client: &Client, events: u64) {
    eventually(&format!("{events} events are accepted"), || async {
        client.assert_well();
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
async fn meet_nobody(address: SocketAddr) -> TcpListener {
    let port = eventually("the port is free", || async { TcpListener::bind(address).await.ok() }).await;
    eventually("the client meets nobody", || async {
        port.accept().await.ok().map(drop)
    })
    .await;
    port
}

/// Stands between clients and a relay, and hangs up instead of passing on that something was stored.
async fn lose_answers(port: TcpListener, relay: SocketAddr) {
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lost);
    let between = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = port.accept().await {
            connections.spawn(pass_on(client, relay, Arc::clone(&counted)));
        }
    });
    eventually("answers are lost", || async {
        (lost.load(Ordering::Relaxed) >= LOST).then_some(())
    })
    .await;
    // Drops the port and every connection, and so frees the address.
    between.abort();
    drop(between.await);
}

/// One connection: every request goes to the relay, what it answers comes back but for a success.
async fn pass_on(client: TcpStream, relay: SocketAddr, lost: Arc<AtomicUsize>) {
    let Ok(relay) = TcpStream::connect(relay).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut answered, mut to_relay) = relay.into_split();
    let upload = async {
        drop(tokio::io::copy(&mut from_client, &mut to_relay).await);
    };
    let answering = async {
        let mut part = [0; 8 * 1024];
        while let Ok(length @ 1..) = answered.read(&mut part).await {
            let answer = &part[..length];
            if answer.ends_with(b"{\"success\":true}") {
                lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if to_client.write_all(answer).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = upload => {}
        () = answering => {}
    }
}
