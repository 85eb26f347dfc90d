//! The filters that `replay`, `hold`, `release` and `discard` share, and the two that have no file of their own.

use super::prepared::{BEFORE, statuses};
use super::{Bench, listed};

#[tokio::test]
async fn each_filter_means_its_events_and_all_of_them_must_hold() {
    let bench = Bench::prepared().await;
    for (arguments, meant) in [
        ("--event identify", "1 event would be sent again: 4"),
        ("--type page", "1 event would be sent again: 3"),
        ("--type track", "2 events would be sent again: 1, 2"),
        ("--order-id o-1", "1 event would be sent again: 1"),
        ("--order-id #o-1", "1 event would be sent again: 1"),
        ("--order-id o-2", "0 events would be sent again"),
        ("--profile ann", "1 event would be sent again: 1"),
        ("--profile user:ann", "1 event would be sent again: 1"),
        ("--profile email:ann", "0 events would be sent again"),
        ("--profile dan@shop.example", "1 event would be sent again: 4"),
        ("--source shop", "4 events would be sent again: 1, 2, 3, 4"),
        (
            "--since 2026-11-24 --until 2026-11-25",
            "4 events would be sent again: 1, 2, 3, 4",
        ),
        ("--until 2026-11-24", "0 events would be sent again"),
        ("--sent-to sandbox", "2 events would be sent again: 1, 4"),
        ("--sent-to sandbox --status dead", "1 event would be sent again: 4"),
        ("--reason email", "1 event would be sent again: 4"),
        (
            "--source shop --profile cat --event Home",
            "1 event would be sent again: 3",
        ),
        (
            "--source shop --profile cat --event Away",
            "0 events would be sent again",
        ),
    ] {
        let mut words = vec!["replay", "--dry-run"];
        words.extend(arguments.split(' '));
        let output = bench.run(&words).well();
        assert_eq!(listed(&output), meant, "{arguments}");
    }
    let named = bench.run(&["replay", "--event", "Order Completed", "--dry-run"]);
    assert_eq!(listed(&named.well()), "1 event would be sent again: 1");
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn a_code_selects_what_its_dry_run_lists_and_no_other_code() {
    let bench = Bench::prepared().await;
    let group = ["replay", "--code", "klaviyo_400_invalid_email"];
    let dry = bench.run(&[&group[..], &["--dry-run"]].concat()).well();
    assert_eq!(listed(&dry), "1 event would be sent again: 4");
    let other = ["replay", "--code", "klaviyo_400_invalid", "--dry-run"];
    let other = bench.run(&other).well();
    assert_eq!(listed(&other), "0 events would be sent again");
    let done = bench.run(&group).well();
    assert_eq!(listed(&done), "1 event will be sent again: 4");
    let mut after = BEFORE;
    after[3] = "pending";
    assert_eq!(statuses(&bench), after);
}

#[tokio::test]
async fn an_order_id_that_names_none_is_misuse() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["export", "--order-id", " # "]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("names no order"), "{}", ran.err);
}

#[tokio::test]
async fn an_event_is_shown_by_its_order_too() {
    let bench = Bench::prepared().await;
    let shown = bench.run(&["show", "#o-1", "--json"]).json();
    assert_eq!((&shown[0]["id"], &shown[0]["order_id"]), (&1.into(), &"o-1".into()));
}

#[tokio::test]
async fn an_event_is_shown_with_what_distinguishes_it() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["replay", "--id", "4", "--dry-run"]).well();
    let line = output.lines().nth(1).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>().join(" "),
        "4 2026-11-24T15:33:20.000Z dead identify user:dan 400 invalid: Invalid email address"
    );
}

#[tokio::test]
async fn an_invalid_time_is_a_usage_error_with_an_example() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["replay", "--since", "soon"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("a time is how long ago"), "{}", ran.err);
}

#[tokio::test]
async fn held_events_stop_those_behind_them_until_they_are_released() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["hold", "--event", "Item Added", "--dry-run"]).well();
    assert_eq!(listed(&output), "1 event would be held: 5");
    assert_eq!(statuses(&bench), BEFORE);
    let output = bench.run(&["hold", "--event", "Item Added"]).well();
    assert_eq!(listed(&output), "1 event will be held: 5");
    let after = ["delivered", "dead", "skipped", "dead", "held", "pending"];
    assert_eq!(statuses(&bench), after);
    let behind = bench.run(&["show", "6"]).well();
    assert!(behind.contains('5'), "{behind}");
    let again = bench.run(&["hold", "--id", "5"]);
    assert_eq!(again.code, 1, "it is held already: {again:?}");
    let output = bench.run(&["release", "--status", "held"]).well();
    assert_eq!(listed(&output), "1 event will be released: 5");
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn an_event_in_flight_is_not_held() {
    let bench = Bench::prepared().await;
    bench.take_in_the_waiting().await;
    bench.begin_the_waiting().await;
    let ran = bench.run(&["hold", "--id", "5", "6"]);
    assert_eq!(ran.code, 1);
    assert_eq!(listed(&ran.out), "1 event will be held: 6");
}

#[tokio::test]
async fn all_events_at_once_are_never_meant() {
    let bench = Bench::prepared().await;
    for command in ["replay", "hold", "release", "discard"] {
        assert_eq!(bench.run(&[command]).code, 2, "{command}");
    }
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn an_event_in_flight_fails_a_command_only_when_it_was_named_by_number() {
    for command in ["hold", "discard"] {
        let bench = Bench::prepared().await;
        bench.take_in_the_waiting().await;
        bench.begin_the_waiting().await;
        let would = bench.run(&[command, "--status", "pending", "--dry-run"]).well();
        let others = bench.run(&[command, "--status", "pending"]).well();
        assert_eq!(would.replace("would be", "will be"), others);
        let output = "  1 left as they are: in flight, or changed meanwhile";
        assert!(others.lines().any(|line| line == output), "{others}");
        let json = bench.run(&[command, "--profile", "eve", "--json"]);
        assert_eq!(json.code, 0, "{command}");
        let named = bench.run(&[command, "--id", "5"]);
        assert_eq!(named.code, 1, "{command}");
        assert!(named.err.ends_with(": 5\n"), "{}", named.err);
    }
}

#[tokio::test]
async fn a_source_that_there_is_not_is_named_with_those_that_there_are() {
    let bench = Bench::prepared().await;
    for arguments in [
        &["replay", "--source", "shpo", "--dry-run"][..],
        &["hold", "--source", "shpo"],
        &["export", "--source", "shpo"],
        &["import", "--source", "shpo", "-"],
    ] {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{ran:?}");
        let output = "error: no source is named shpo; there are: shop\n";
        assert_eq!(ran.err, output, "{arguments:?}");
    }
}
