//! `replay` on an outbox without a daemon: the next one sends what it marked.

use serde_json::{Value, json};

use super::prepared::{BEHIND, FLAWED, ORDER, REFUSED, SKIPPED, WAITING};
use super::{Bench, Ran};

/// The status of every event, in order.
fn statuses(bench: &Bench) -> Vec<String> {
    let status = |id: i64| {
        let event = bench.run(&["show", &id.to_string(), "--json"]).json();
        event[0]["status"].as_str().unwrap().to_owned()
    };
    [ORDER, FLAWED, SKIPPED, REFUSED, WAITING, BEHIND]
        .map(status)
        .to_vec()
}

const BEFORE: [&str; 6] = ["delivered", "dead", "skipped", "dead", "pending", "pending"];

#[tokio::test]
async fn a_dry_run_says_what_would_be_sent_and_does_nothing() {
    let bench = Bench::prepared().await;
    let said = bench.run(&["replay", "--status", "dead", "--dry-run"]);
    assert_eq!(said.well(), "2 events would be sent again: 2, 4\n");
    let said = bench.run(&["replay", "--id", "1", "--dry-run", "--json"]);
    let expected = json!({"dry_run": true, "count": 1, "first": [1], "not_replayed": []});
    assert_eq!(said.json(), expected);
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn events_of_a_status_wait_again() {
    let bench = Bench::prepared().await;
    let said = bench.run(&["replay", "--status", "dead"]).well();
    assert_eq!(said, "2 events will be sent again: 2, 4\n");
    let after = [
        "delivered",
        "pending",
        "skipped",
        "pending",
        "pending",
        "pending",
    ];
    assert_eq!(statuses(&bench), after);
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["audit"]["difference"], 0);
    let said = bench.run(&["replay", "--status", "dead"]).well();
    assert_eq!(said, "0 events will be sent again\n", "none is left");
}

#[tokio::test]
async fn filters_combine() {
    let bench = Bench::prepared().await;
    let arguments = ["replay", "--id", "3", "--id", "4", "--status", "skipped"];
    let ran = bench.run(&arguments);
    assert_eq!(ran.out, "1 event will be sent again: 3\n");
    assert_not_replayed(&ran, "4");
    assert_eq!(statuses(&bench)[2..4], ["pending", "dead"]);
}

#[tokio::test]
async fn what_cannot_be_replayed_is_named_and_the_others_go() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["replay", "--id", "1", "5", "99"]);
    assert_eq!(ran.out, "1 event will be sent again: 1\n");
    assert_not_replayed(&ran, "5, 99");
    assert_eq!(statuses(&bench)[0], "pending");
    assert_eq!(statuses(&bench)[4], "pending", "as before");

    let ran = bench.run(&["replay", "--id", "99", "--json"]);
    assert_eq!((ran.code, &*ran.err), (1, ""));
    let said: Value = ran.json();
    assert_eq!(
        (&said["count"], &said["not_replayed"]),
        (&json!(0), &json!([99]))
    );
}

fn assert_not_replayed(ran: &Ran, which: &str) {
    let why = "not replayed, since they do not exist, are not finished, or are in another state";
    assert_eq!(
        (ran.code, &*ran.err),
        (1, &*format!("error: {why}: {which}\n"))
    );
}

#[tokio::test]
async fn everything_at_once_is_never_meant() {
    let bench = Bench::prepared().await;
    for arguments in [&["replay"][..], &["replay", "--dry-run", "--consent"]] {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, &*ran.out), (2, ""));
        assert!(
            ran.err.starts_with("error: say which events: "),
            "{}",
            ran.err
        );
    }
    for wrong in ["pending", "held", "Dead", ""] {
        let ran = bench.run(&["replay", "--status", wrong]);
        assert_eq!((ran.code, &*ran.out), (2, ""));
        assert!(
            ran.err.contains("only finished events can be replayed"),
            "{}",
            ran.err
        );
    }
    assert_eq!(statuses(&bench), BEFORE);
}
