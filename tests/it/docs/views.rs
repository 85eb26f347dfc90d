//! The views, held against the outbox; every query and every `sqlite3` command of the manual runs on one.

use std::collections::BTreeMap;
use std::process::Command;

use klaviyo_relay::config::OutboxConfig;
use klaviyo_relay::model::{EventType, Identifier, IdentifierKind, NewEvent, Timestamp};
use klaviyo_relay::outbox::Outbox;
use tempfile::TempDir;

use super::commands::answer_of;
use super::{Page, blocks, code_spans, only, shell_lines};
use crate::support::require;

#[tokio::test]
async fn the_views_have_the_columns_that_the_manual_lists() {
    let outbox = Filled::new().await;
    let documented: BTreeMap<String, Vec<String>> = Page::read("docs/reference/views.md")
        .rows("## The views")
        .iter()
        .filter_map(|row| Some((only(code_spans(&row[0]))?, code_spans(row.get(2)?))))
        .collect();
    let Some(views) = outbox.query("select name from sqlite_master where type = 'view'") else {
        return;
    };
    let mut found = BTreeMap::new();
    for view in views.lines() {
        let columns = outbox.query(&format!("select name from pragma_table_info('{view}')"));
        let columns = columns.unwrap().lines().map(str::to_owned).collect();
        found.insert(view.to_owned(), columns);
    }
    assert_eq!(found, documented);
    assert!(found.len() >= 9, "only {} views", found.len());
}

#[tokio::test]
async fn every_query_of_the_manual_runs() {
    let outbox = Filled::new().await;
    let queries = blocks("sql");
    assert!(queries.len() >= 15, "only {} queries", queries.len());
    let mut answered = 0;
    for query in &queries {
        let Some(answer) = outbox.query(query) else {
            return;
        };
        answered += usize::from(!answer.trim().is_empty());
    }
    // One order waits in the outbox: a query that reads what waits has something to say.
    assert!(answered >= 4, "only {answered} queries answered anything");
}

#[tokio::test]
async fn every_sqlite3_command_of_the_manual_runs() {
    let outbox = Filled::new().await;
    let lines = shell_lines();
    let commands: Vec<&String> = lines.iter().filter(|line| line.starts_with("sqlite3 ")).collect();
    assert!(commands.len() >= 2, "only {} commands", commands.len());
    if !has_sqlite3() {
        return;
    }
    for command in commands {
        assert!(command.contains(" -readonly "), "{command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(outbox.dir.path());
        answer_of(&mut shell, command);
    }
    assert!(outbox.dir.path().join("backup.db").exists());
}

/// An outbox with one order that waits.
struct Filled {
    dir: TempDir,
    _outbox: Outbox,
}

impl Filled {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            min_free_disk: 0,
            max_pending: None,
            ..OutboxConfig::default()
        };
        let now = Timestamp::from_millis(1_795_440_000_000);
        let outbox = Outbox::open(&config, now).await.unwrap();
        let order = NewEvent {
            traceparent: None,
            source: "dev".to_owned(),
            message_id: "order".to_owned(),
            kind: Some(EventType::Track),
            name: Some("Order Completed".to_owned()),
            at: now,
            received_at: now,
            order_id: None,
            identifiers: Vec::from_iter(Identifier::new(IdentifierKind::UserId, "019mr8mf4r")),
            payload: r#"{"userId":"019mr8mf4r","event":"Order Completed","properties":{"revenue":25}}"#.to_owned(),
            envelope: None,
            dead: None,
        };
        outbox.intake().append(vec![order]).await.unwrap();
        Self { dir, _outbox: outbox }
    }

    /// What `sqlite3` answers; `None` where the command is absent.
    fn query(&self, sql: &str) -> Option<String> {
        if !has_sqlite3() {
            return None;
        }
        let mut sqlite3 = Command::new("sqlite3");
        sqlite3
            .args(["-readonly", "-bail"])
            .arg(self.dir.path().join("outbox.db"))
            .arg(sql);
        Some(answer_of(&mut sqlite3, sql))
    }
}

/// Whether the `sqlite3` command is there; prints a line when it is not.
fn has_sqlite3() -> bool {
    let version = Command::new("sqlite3").arg("-version").output();
    require("the sqlite3 command", version.ok()).is_some()
}
