//! `audit` on an outbox without a daemon.

use std::process::Command;

use serde_json::json;

use super::Bench;
use crate::support::require;

#[tokio::test]
async fn what_adds_up_is_said_and_exits_well() {
    let bench = Bench::prepared().await;
    let said = bench.run(&["audit", "--deep"]).well();
    for line in [
        "accepted             6\n",
        "difference           0\n",
        "ok    accepted = delivered + skipped + dead + pending + held\n",
        "ok    the counters say what the rows say\n",
        "ok    every unfinished event stands in the line of each of its identifiers\n",
        "ok    SQLite finds no fault in the file\n",
    ] {
        assert!(said.contains(line), "{line}{said}");
    }
    assert!(!said.contains("WRONG"), "{said}");
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
