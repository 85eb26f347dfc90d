//! `audit` on an outbox without a daemon.

use std::process::Command;

use expect_test::expect;
use serde_json::json;

use super::Bench;
use crate::support::require;

#[tokio::test]
async fn what_adds_up_is_said_and_exits_well() {
    let bench = Bench::prepared().await;
    let said = bench.run(&["audit", "--deep"]).well();
    expect![[r#"
        accepted             6
        delivered            1
        skipped              1
        dead                 2
        pending              2
        held                 0
        difference           0

        ok    accepted = delivered + skipped + dead + pending + held
        ok    the counters say what the rows say
        ok    the message of every event is known, so that a copy is not stored again
        ok    no event, place or known message has a number that was not given yet
        ok    every unfinished event has its call, and every call what its batch says around it
        ok    every unfinished event stands in the line of each of its identifiers
        ok    only unfinished events stand in lines, and dead ones that hold them up, at their place and by their names
        ok    how many lines an event still waits in is what the lines say
        ok    an active event waits for active ones alone, and only an active event has a request in flight
        ok    an import job is open as long as one of its requests is
        ok    every request of a delivered event is delivered, or went out before
        ok    a request is delivered when Klaviyo accepted an attempt of it, and only then
        ok    what was delivered under a `$event_id` owns it, so that it is delivered once
        ok    SQLite finds no fault in the file
    "#]]
    .assert_eq(&said);
    let found = bench.run(&["audit", "--json"]).json();
    assert_eq!(found["holds"], true);
    assert_eq!(found["file"], json!(null), "without --deep it is not read");
    assert_eq!(found["audit"]["accepted"], 6);
    assert_eq!(found["rules"].as_array().unwrap().len(), 11);
}

/// Writes as nobody should.
fn sqlite3(bench: &Bench, sql: &str) -> String {
    let mut command = Command::new("sqlite3");
    let command = command.current_dir(bench.path()).args(["outbox.db", sql]);
    let said = command.output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

#[tokio::test]
async fn what_was_changed_by_hand_is_found_and_exits_1() {
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
    let wrong = "WRONG not so: every unfinished event has its call, and every call what its batch says around it; broken by 1: 5\n";
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
