//! `audit` on an outbox without a daemon.

use std::process::Command;

use expect_test::expect;
use serde_json::json;

use super::Bench;
use crate::support::require;

#[tokio::test]
async fn an_outbox_that_adds_up_exits_0() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["audit", "--deep"]).well();
    expect![[r#"
        accepted             6
        delivered            1
        skipped              1
        dead                 2
        pending              2
        held                 0
        difference           0

        ok    accepted = delivered + skipped + dead + pending + held
        ok    the stored counts equal the counted rows
        ok    the message of every event is known, so that a copy is not stored again
        ok    no event, queue position or known message has a number that was not given yet
        ok    every unfinished event has its call, and every call of a batch has its envelope
        ok    every unfinished event has an entry in the queue of each of its identifiers
        ok    every queue entry has the position and an identifier of an unfinished event, or of a dead one that blocks others
        ok    the stored number of queues in which an earlier event blocks an event is what the queues contain
        ok    an active event is blocked by active events alone, and only an active event has a request in flight
        ok    an import job is open as long as one of its attempts is
        ok    every request of a delivered event is delivered, or was delivered before
        ok    a request is delivered when Klaviyo accepted an attempt of it, and only then
        ok    a request that was delivered under a `$event_id` owns it, so that it is delivered once
        ok    SQLite finds no fault in the file
    "#]]
    .assert_eq(&output);
    let found = bench.run(&["audit", "--json"]).json();
    assert_eq!(found["holds"], true);
    assert_eq!(found["file"], json!(null), "without --deep it is not read");
    assert_eq!(found["audit"]["accepted"], 6);
    assert_eq!(found["rules"].as_array().unwrap().len(), 11);
}

/// Changes the file by hand, as no operator should.
fn sqlite3(bench: &Bench, sql: &str) -> String {
    let mut command = Command::new("sqlite3");
    let command = command.current_dir(bench.path()).args(["outbox.db", sql]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_change_by_hand_is_found_and_exits_1() {
    let found = Command::new("sqlite3").arg("-version").output().ok();
    if require("the sqlite3 command", found).is_none() {
        return;
    }
    let bench = Bench::prepared().await;
    let guards = sqlite3(
        &bench,
        "select 'drop trigger ' || name || ';' from sqlite_master where type = 'trigger' and tbl_name = 'payload'",
    );
    sqlite3(&bench, &format!("{guards} delete from payload where event_id = 5"));
    let ran = bench.run(&["audit"]);
    assert_eq!((ran.code, &*ran.err), (1, ""), "{ran:?}");
    let wrong = "WRONG not so: every unfinished event has its call, and every call of a batch has its envelope; broken by 1: 5\n";
    assert!(ran.out.contains(wrong), "{}", ran.out);
    let ran = bench.run(&["audit", "--json"]);
    assert_eq!(ran.code, 1);
    let found = ran.json();
    assert_eq!(found["holds"], false);
    let rules = found["rules"].as_array().unwrap();
    let broken: Vec<_> = rules.iter().filter(|rule| rule["broken"] != 0).collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(
        (&broken[0]["name"], &broken[0]["first"]),
        (&json!("payloads"), &json!([5]))
    );
}
