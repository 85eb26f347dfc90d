//! A visitor of a shop leaves before everything is sent: what Chromium and analytics.js save.

use super::client::{Program, Runtime, script};
use super::ledger::Ledger;
use super::storm::accepted;
use crate::support::{Daemon, Klaviyo};

/// Events of one visitor.
const EVENTS: u64 = 40;

const VISITOR: Program = Program {
    runtime: Runtime::Browser,
    file: "browser/closing.cjs",
    arguments: &[],
};

/// What is in the outbox once it was sent on.
async fn ledger(daemon: &Daemon, klaviyo: &Klaviyo) -> Ledger {
    daemon.settled().await;
    Ledger::of(daemon, klaviyo).await
}

/// Asserts that the visitor's events are in the sandbox, each once, in order if it is promised.
fn assert_all(ledger: &Ledger, ordered: bool) {
    let mut numbers = ledger.delivered["person-0"].clone();
    assert_eq!(ledger.delivered, ledger.arrived);
    if !ordered {
        numbers.sort_unstable();
    }
    assert_eq!(numbers, (1..=EVENTS).collect::<Vec<_>>());
}

/// Batching: nothing was sent yet. The page's last act is a request that outlives it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_left_sends_the_batch_that_it_had_gathered() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start_staying(&klaviyo, &script(), "").await;
    let visitor = Program {
        arguments: &["npm", "batching"],
        ..VISITOR
    };
    let Some(mut client) = visitor.start(&daemon, 1) else {
        return;
    };
    client.write_line(&EVENTS.to_string());
    client.did(&EVENTS.to_string()).await;
    let sent = daemon.log().contains("calls stored");
    assert!(!sent, "a batch that is not full waits");
    client.write_line("leave");
    client.did("leave").await;
    accepted(&daemon, &client, EVENTS + 1).await;
    client.ended().await;
    assert_all(&ledger(&daemon, &klaviyo).await, true);
}

/// Standard delivery, while the relay is gone: what could not be sent is kept in the browser, and sent when the visitor
/// opens the shop again.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_page_left_in_an_outage_come_with_the_next_visit() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start_staying(&klaviyo, &script(), "").await;
    let visitor = Program {
        arguments: &["snippet", "standard"],
        ..VISITOR
    };
    let Some(mut client) = visitor.start(&daemon, 1) else {
        return;
    };
    client.did("arrive").await;
    daemon.kill();
    client.write_line(&EVENTS.to_string());
    client.did(&EVENTS.to_string()).await;
    client.write_line("leave");
    client.did("leave").await;
    daemon.restart().await;
    client.write_line("return");
    client.did("return").await;
    accepted(&daemon, &client, EVENTS + 1).await;
    client.ended().await;
    assert_all(&ledger(&daemon, &klaviyo).await, false);
}
