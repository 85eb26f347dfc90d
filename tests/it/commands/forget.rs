//! `forget`: a person is gone from the outbox, byte for byte, or it reports what is left.

use std::fs;

use expect_test::expect;
use serde_json::json;

use super::prepared::{BEFORE, BEHIND, statuses};
use super::{Bench, listed, masked};
use crate::support::{Daemon, Klaviyo, eventually};

/// How often the bytes of the outbox and its WAL have this text.
fn found(bench: &Bench, text: &str) -> usize {
    let of = |name: &str| {
        let bytes = fs::read(bench.path().join(name)).unwrap_or_default();
        let parts = bytes.windows(text.len());
        parts.filter(|part| *part == text.as_bytes()).count()
    };
    of("outbox.db") + of("outbox.db-wal")
}

#[tokio::test]
async fn a_dry_run_names_the_person_and_the_events_and_erases_nothing() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["forget", "--profile", "eve", "--dry-run"]).well();
    expect![[r#"
        2 events would be erased, of which 2 still wait and would be discarded
        the person: user:eve
               5  2026-11-24T15:33:20.000Z  pending    Item Added  user:eve
               6  2026-11-24T15:33:20.000Z  pending    Item Removed  user:eve
    "#]]
    .assert_eq(&masked(&output));
    let output = bench
        .run(&["forget", "--profile", "dan@shop.example", "--dry-run", "--json"])
        .json();
    assert_eq!((&output["count"], &output["waiting"]), (&json!(1), &json!(0)));
    assert_eq!(output["identifiers"].as_array().unwrap().len(), 2, "{output}");
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn nothing_of_the_person_is_left_in_the_file_and_the_counts_stay() {
    let bench = Bench::prepared().await;
    assert!(found(&bench, "dan@shop.example") > 0, "it is really there before");
    let output = bench.run(&["forget", "--profile", "user:dan"]).well();
    assert_eq!(output, "1 event erased\n");
    assert_eq!(found(&bench, "dan@shop.example"), 0);
    assert_eq!(found(&bench, "user:dan"), 0);
    assert_eq!(statuses(&bench), BEFORE);
    let audit = bench.run(&["audit", "--deep", "--json"]).json();
    assert_eq!(audit["holds"], true, "{audit}");

    let again = bench.run(&["forget", "--profile", "user:dan"]);
    assert_eq!((again.code, &*again.out), (1, ""), "nobody is known by it any more");
}

#[tokio::test]
async fn what_waits_is_discarded_and_erased_too() {
    let bench = Bench::prepared().await;
    bench.run(&["hold", "--id", &BEHIND.to_string()]).well();
    let output = bench.run(&["forget", "--profile", "eve", "--json"]).json();
    assert_eq!((&output["erased"], &output["discarded"]), (&json!(2), &json!(2)));
    assert_eq!((&output["left"], &output["rebuild_due"]), (&json!([]), &json!(false)));
    let after = ["delivered", "dead", "skipped", "dead", "dead", "dead"];
    assert_eq!(statuses(&bench), after);
    assert_eq!(found(&bench, "user:eve"), 0);
    let listed_after = bench.run(&["replay", "--id", "5", "6", "--dry-run"]);
    assert_eq!(listed(&listed_after.out), "0 events would be sent again");
    assert_eq!(bench.run(&["audit", "--json"]).json()["holds"], true);
}

#[tokio::test]
async fn requests_that_a_killed_daemon_left_in_flight_are_no_hindrance() {
    let bench = Bench::prepared().await;
    bench.take_in_the_waiting().await;
    let output = bench.run(&["forget", "--profile", "eve"]).well();
    assert_eq!(
        output,
        "2 events erased, 2 of them discarded before they were delivered\n"
    );
}

#[tokio::test]
async fn a_name_that_nobody_has_is_an_error() {
    let bench = Bench::prepared().await;
    for more in [&[][..], &["--dry-run"], &["--json"], &["--yes"]] {
        let arguments = [&["forget", "--profile", "eve@mistyped.co"], more].concat();
        let ran = bench.run(&arguments);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{ran:?}");
        let start = "error: nobody is known as \"eve@mistyped.co\"; nothing is erased";
        assert!(ran.err.starts_with(start), "{ran:?}");
    }
}

#[tokio::test]
async fn a_word_that_names_two_people_is_refused() {
    let bench = Bench::prepared().await;
    let calls = concat!(
        r#"{"type":"track","messageId":"p1","userId":"4915","event":"A"}"#,
        "\n",
        r#"{"type":"track","messageId":"p2","anonymousId":"4915","event":"B"}"#,
    );
    bench.run_on(calls, &["import", "-"]).well();
    let ran = bench.run(&["forget", "--profile", "4915"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    expect![[r#"
        error: "4915" may be several people; name one of them: user:4915 or anonymous:4915
    "#]]
    .assert_eq(&ran.err);
    let output = bench.run(&["forget", "--profile", "user:4915"]).well();
    assert!(output.starts_with("1 event erased"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_what_is_in_flight_is_waited_for() {
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"hang": true, "path": "/api/events"})).await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let call = json!({"type": "track", "userId": "jane", "event": "A", "context": {"traits": {"email": "jane@x.co"}}});
    daemon.send("/v1/track", &call).await;
    eventually("the request hangs", || async {
        (klaviyo.request_count() > 0).then_some(())
    })
    .await;
    let ran = daemon.command(&["forget", "--profile", "jane@x.co", "--wait", "0"]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let output = String::from_utf8(ran.stderr).unwrap();
    expect![[r#"
        error: nothing is erased yet: still in flight after 0 s: 1; run it again, with a longer --wait
    "#]]
    .assert_eq(&output);

    let waiting = daemon.start_command(&["forget", "--profile", "jane@x.co"]);
    klaviyo.behave().await;
    let ran = waiting.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    for file in ["", "-wal"] {
        let mut path = daemon.database().into_os_string();
        path.push(file);
        let bytes = fs::read(path).unwrap_or_default();
        let name = b"jane@x.co";
        assert!(!bytes.windows(name.len()).any(|part| part == name), "{file}");
    }
}
