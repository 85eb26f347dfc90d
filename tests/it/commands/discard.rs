//! `discard` on an outbox without a daemon.

use serde_json::json;

use super::prepared::{BEFORE, statuses};
use super::{Bench, listed};

#[tokio::test]
async fn a_dry_run_lists_what_would_be_discarded_and_does_nothing() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["discard", "--status", "pending", "--dry-run"]);
    assert_eq!(listed(&output.well()), "2 events would be discarded: 5, 6");
    let output = bench.run(&["discard", "--id", "5", "--dry-run", "--json"]);
    assert_eq!(output.json()["first"][0]["id"], 5);
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn a_pending_event_is_given_up_and_the_one_behind_it_moves_up() {
    let bench = Bench::prepared().await;
    let behind = bench.run(&["show", "6", "--json"]).json();
    assert_eq!(behind["next_attempt_at"], json!(null), "it waits for 5");
    let output = bench.run(&["discard", "--id", "5"]).well();
    assert_eq!(listed(&output), "1 event will be discarded: 5");
    let after = ["delivered", "dead", "skipped", "dead", "dead", "pending"];
    assert_eq!(statuses(&bench), after);
    let given_up = bench.run(&["show", "5", "--json"]).json();
    assert_eq!(given_up["reason"], "discarded by an operator");
    let behind = bench.run(&["show", "6", "--json"]).json();
    assert!(behind["next_attempt_at"].is_string(), "{behind}");
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["audit"]["difference"], 0);
}

#[tokio::test]
async fn a_dead_event_keeps_its_reason_and_can_still_be_replayed() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["discard", "--status", "dead"]).well();
    assert_eq!(listed(&output), "2 events will be discarded: 2, 4");
    assert_eq!(statuses(&bench), BEFORE);
    let refused = bench.run(&["show", "4", "--json"]).json();
    assert_eq!(refused["reason"], "400 invalid: Invalid email address");
    let output = bench.run(&["replay", "--id", "4"]).well();
    assert_eq!(listed(&output), "1 event will be sent again: 4");
}

#[tokio::test]
async fn an_event_whose_request_is_in_flight_is_left_alone() {
    let bench = Bench::prepared().await;
    bench.take_in_the_waiting().await;
    bench.begin_the_waiting().await;
    let would = bench.run(&["discard", "--status", "pending", "--dry-run"]).well();
    assert!(would.starts_with("1 event would be discarded\n       6  "), "{would}");
    bench.run(&["discard", "--id", "5", "6"]);
    let after = ["delivered", "dead", "skipped", "dead", "pending", "dead"];
    assert_eq!(statuses(&bench), after);
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["audit"]["difference"], 0);
}

#[tokio::test]
async fn an_event_that_was_taken_for_delivery_and_not_sent_can_be_stopped_and_given_up() {
    let bench = Bench::prepared().await;
    bench.take_in_the_waiting().await;
    let would = bench.run(&["hold", "--id", "5", "--dry-run"]);
    assert_eq!(listed(&would.well()), "1 event would be held: 5");
    let held = bench.run(&["hold", "--id", "5"]);
    assert_eq!(listed(&held.well()), "1 event will be held: 5");
    bench.run(&["release", "--id", "5"]).well();
    bench.take_in_the_waiting().await;
    bench.run(&["discard", "--id", "5"]).well();
    let after = ["delivered", "dead", "skipped", "dead", "dead", "pending"];
    assert_eq!(statuses(&bench), after);
    bench.run(&["audit"]).well();
}

#[tokio::test]
async fn what_cannot_be_discarded_is_named_and_the_others_are() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["discard", "--id", "1", "3", "5", "99"]);
    assert_eq!(listed(&ran.out), "1 event will be discarded: 5");
    let why = "error: left out, since they do not exist, are in another state or in flight, or were erased: 1, 3, 99\n";
    assert_eq!((ran.code, &*ran.err), (1, why));
    let after = ["delivered", "dead", "skipped", "dead", "dead", "pending"];
    assert_eq!(statuses(&bench), after);

    let ran = bench.run(&["discard", "--id", "99", "--json"]);
    assert_eq!((ran.code, &*ran.err), (1, ""));
    assert_eq!(ran.json()["left_out"], json!([99]));
}

#[tokio::test]
async fn everything_at_once_is_never_meant() {
    let bench = Bench::prepared().await;
    for arguments in [
        &["discard"][..],
        &["discard", "--dry-run"],
        &["discard", "--status", "delivered"],
        &["discard", "--id", "3", "--status", "skipped"],
    ] {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{arguments:?}");
        let start = "error: name the events: --status pending, held or dead, --id N or another filter; ";
        assert!(ran.err.starts_with(start), "{}", ran.err);
    }
    assert_eq!(statuses(&bench), BEFORE);
}
