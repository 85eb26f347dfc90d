//! `replay` on an outbox without a daemon: the next one sends what it marked.

use serde_json::{Value, json};

use super::prepared::{BEFORE, statuses};
use super::{Bench, Ran, listed};

#[tokio::test]
async fn a_dry_run_lists_what_would_be_sent_and_does_nothing() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["replay", "--status", "dead", "--dry-run"]);
    assert_eq!(listed(&output.well()), "2 events would be sent again: 2, 4");
    let output = bench.run(&["replay", "--id", "1", "--dry-run", "--json"]);
    let output = output.json();
    assert_eq!(output["first"][0]["id"], 1);
    assert_eq!(
        (&output["dry_run"], &output["count"], &output["left_out"]),
        (&json!(true), &json!(1), &json!([]))
    );
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn events_of_a_status_wait_again() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["replay", "--status", "dead"]).well();
    assert_eq!(listed(&output), "2 events will be sent again: 2, 4");
    let after = ["delivered", "pending", "skipped", "pending", "pending", "pending"];
    assert_eq!(statuses(&bench), after);
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["audit"]["difference"], 0);
    let output = bench.run(&["replay", "--status", "dead"]).well();
    assert_eq!(listed(&output), "0 events will be sent again", "none is left");
}

#[tokio::test]
async fn filters_combine() {
    let bench = Bench::prepared().await;
    let arguments = ["replay", "--id", "3", "--id", "4", "--status", "skipped"];
    let ran = bench.run(&arguments);
    assert_eq!(listed(&ran.out), "1 event will be sent again: 3");
    assert_left_out(&ran, "4");
    assert_eq!(statuses(&bench)[2..4], ["pending", "dead"]);
}

#[tokio::test]
async fn what_cannot_be_replayed_is_named_and_the_others_go() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["replay", "--id", "1", "5", "99"]);
    assert_eq!(listed(&ran.out), "1 event will be sent again: 1");
    assert_left_out(&ran, "5, 99");
    assert_eq!(statuses(&bench)[0], "pending");
    assert_eq!(statuses(&bench)[4], "pending", "as before");

    let ran = bench.run(&["replay", "--id", "99", "--json"]);
    assert_eq!((ran.code, &*ran.err), (1, ""));
    let output: Value = ran.json();
    assert_eq!((&output["count"], &output["left_out"]), (&json!(0), &json!([99])));
}

fn assert_left_out(ran: &Ran, which: &str) {
    let why = "left out, since they do not exist, are in another state or in flight, or were erased";
    assert_eq!((ran.code, &*ran.err), (1, &*format!("error: {why}: {which}\n")));
}

#[tokio::test]
async fn everything_at_once_is_never_meant() {
    let bench = Bench::prepared().await;
    for arguments in [
        &["replay"][..],
        &["replay", "--dry-run", "--consent"],
        &["replay", "--status", "pending"],
        &["replay", "--id", "1", "--status", "held"],
    ] {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{arguments:?}");
        let start = "error: name the finished events: --status dead, skipped or delivered, ";
        assert!(ran.err.starts_with(start), "{}", ran.err);
    }
    for wrong in ["Dead", ""] {
        let ran = bench.run(&["replay", "--status", wrong]);
        assert_eq!((ran.code, &*ran.out), (2, ""));
        assert!(
            ran.err.contains("[possible values: pending, delivered, "),
            "{}",
            ran.err
        );
    }
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn what_is_sent_as_it_was_cannot_be_marked_as_backfill() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["replay", "--id", "1", "--backfill", "--as-sent"]);
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("cannot be used with"), "{}", ran.err);
    assert_eq!(statuses(&bench), BEFORE);
    for how in ["--backfill", "--as-sent"] {
        let ran = bench.run(&["replay", "--id", "1", how, "--dry-run"]);
        assert_eq!(listed(&ran.well()), "1 event would be sent again: 1");
    }
}
