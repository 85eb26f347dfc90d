//! SQL written by hand: what would break the outbox is refused with the command that does it well.

use std::process::Command;

use super::Bench;
use super::prepared::{BEFORE, statuses};
use crate::support::require;

/// Runs a statement with the machine's `sqlite3`; returns its error if it failed.
fn by_hand(bench: &Bench, sql: &str) -> Result<(), String> {
    let output = Command::new("sqlite3")
        .arg(bench.path().join("outbox.db"))
        .arg(sql)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn a_write_that_would_break_the_outbox_is_refused_and_names_the_command() {
    let sqlite3 = Command::new("sqlite3").arg("-version").output().ok();
    if require("the sqlite3 command", sqlite3).is_none() {
        return;
    }
    let bench = Bench::prepared().await;
    for (sql, command) in [
        (
            "UPDATE event SET status = 'pending', finished_ms = NULL WHERE status = 'dead'",
            "replay",
        ),
        ("DELETE FROM event WHERE status = 'dead'", "forget"),
        ("UPDATE payload SET body = '{}'", "forget"),
        ("DELETE FROM queue_entry", "discard"),
        ("DELETE FROM event_identifier", "forget"),
        ("DELETE FROM message", "import"),
        ("UPDATE delivery SET status = 'pending'", "replay"),
        ("DELETE FROM attempt", "replay"),
        ("DELETE FROM dedup_key", "replay"),
        ("UPDATE counter SET value = value + 1", "audit"),
        ("UPDATE counter SET value = 0", "audit"),
        (
            "INSERT INTO minute (minute_ms, came, done, died, throttled, pending) VALUES (0, 0, 0, 0, 0, 0)",
            "serve",
        ),
        (
            "INSERT INTO minute_source (minute_ms, source, came) VALUES (0, 'shop', 1)",
            "serve",
        ),
        ("INSERT INTO erasure (at_ms, events) VALUES (0, 0)", "forget"),
        (
            "INSERT INTO message (source, message_id, event_id, received_ms) VALUES ('shop', 'new', 99, 0)",
            "import",
        ),
    ] {
        let refused = by_hand(&bench, sql).expect_err(sql);
        let named = format!("`klaviyo-relay {command}`");
        let named = refused.contains(&named) || refused.contains(&format!("`{command}`"));
        assert!(named, "{sql}: {refused}");
    }
    for view in ["events", "deliveries", "dead_letters", "history", "pauses"] {
        let sql = format!("DELETE FROM {view}");
        let refused = by_hand(&bench, &sql).expect_err(&sql);
        assert!(refused.contains("it is a view"), "{sql}: {refused}");
    }
    assert_eq!(statuses(&bench), BEFORE);
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["audit"]["difference"], 0);
}

#[tokio::test]
async fn no_table_of_the_outbox_is_without_its_guard() {
    let sqlite3 = Command::new("sqlite3").arg("-version").output().ok();
    if require("the sqlite3 command", sqlite3).is_none() {
        return;
    }
    let bench = Bench::prepared().await;
    let output = Command::new("sqlite3")
        .arg(bench.path().join("outbox.db"))
        .arg(
            "SELECT t.name FROM sqlite_schema AS t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
               AND (SELECT count(*) FROM sqlite_schema AS g WHERE g.type = 'trigger' AND g.tbl_name = t.name
                      AND g.name GLOB 'guard_*') <> 3
             ORDER BY t.name",
        )
        .output()
        .unwrap();
    // Small things that only the daemon reads, and sqlx's own.
    let names = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        names.lines().collect::<Vec<_>>(),
        ["_sqlx_migrations", "kv", "pause", "write_guard"]
    );
}

/// Somebody who looks into the file reads all of its schema.
#[tokio::test]
async fn the_schema_has_fewer_than_300_lines() {
    let sqlite3 = Command::new("sqlite3").arg("-version").output().ok();
    if require("the sqlite3 command", sqlite3).is_none() {
        return;
    }
    let bench = Bench::prepared().await;
    let file = bench.path().join("outbox.db");
    let schema = Command::new("sqlite3").arg(file).arg(".schema").output().unwrap();
    let lines = String::from_utf8(schema.stdout).unwrap().lines().count();
    assert!((100..300).contains(&lines), "{lines}");
}
