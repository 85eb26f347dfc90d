//! The outbox's WAL when it cannot be checkpointed into the file: reported once, and shown as long as it lasts.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use super::track;
use crate::support::fault::Fault;
use crate::support::{Daemon, Klaviyo, eventually, require};

/// A calls' text.
const FILLER_BYTES: usize = 30_000;
/// Calls in a batch.
const BATCH: u64 = 12;

/// A sandbox that answers nothing, so that nothing but what comes in is written.
async fn silent() -> Klaviyo {
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"status": 503})).await;
    klaviyo
}

/// Stores a few hundred kilobytes.
async fn store_much(daemon: &Daemon, batch: u64) {
    let calls = (0..BATCH).map(|number| {
        let mut call = track("u1", batch * BATCH + number);
        call["properties"]["filler"] = json!("x".repeat(FILLER_BYTES));
        call
    });
    let calls: Vec<Value> = calls.collect();
    daemon.send("/v1/batch", &json!({ "batch": calls })).await;
}

/// The note with this code, of a daemon that is ready whatever is noted.
async fn note(daemon: &Daemon, code: &str) -> Option<String> {
    let (status, ready) = daemon.look("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    let notes = ready["notes"].as_array().unwrap();
    let note = notes.iter().find(|note| note["code"] == code)?;
    Some(note["message"].as_str().unwrap().to_owned())
}

/// The state of the WAL by a command that runs beside the daemon.
fn status(daemon: &Daemon) -> Value {
    let output = daemon.command(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    status["wal"].clone()
}

fn lines(daemon: &Daemon, words: &str) -> usize {
    daemon.log().matches(words).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_checkpoints_are_logged_once_counted_and_shown_while_they_fail() {
    let klaviyo = silent().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    assert_eq!(status(&daemon), json!(null));
    let file = daemon.database();
    let fault = Fault::begin(daemon.pid(), "pwrite64", "EIO", &[&file]).await;
    let Some(fault) = fault else { return };
    for batch in 0..20 {
        store_much(&daemon, batch).await;
    }
    let noted = eventually("it is noted", || note(&daemon, "checkpoint_failing")).await;
    assert!(noted.contains("nothing is lost"), "{noted}");
    assert_eq!(status(&daemon)["code"], "checkpoint_failing");
    eventually("it is tried again", || async {
        (daemon.counted("klaviyo_relay_outbox_checkpoints_failed_total").await > 1).then_some(())
    })
    .await;
    assert_eq!(lines(&daemon, "cannot be checkpointed into its file"), 1);
    fault.end();
    eventually("the note is gone", || async {
        note(&daemon, "checkpoint_failing").await.is_none().then_some(())
    })
    .await;
    assert_eq!(status(&daemon), json!(null));
    assert_eq!(lines(&daemon, "checkpointed into its file again"), 1);
}

/// The `sqlite3` command in a transaction that reads.
struct Shell(Child, ChildStdin);

impl Shell {
    fn read(daemon: &Daemon) -> Option<Self> {
        let shell = Command::new("sqlite3")
            .arg(daemon.database())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = shell.ok()?;
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"BEGIN; SELECT count(*) FROM event;\n").unwrap();
        let mut answer = [0; 2];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut answer).unwrap();
        Some(Self(child, input))
    }

    fn end(self) {
        let Self(mut child, input) = self;
        drop(input);
        child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_blocks_the_checkpoint_is_named_and_the_wal_shrinks_after_it() {
    let klaviyo = silent().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    store_much(&daemon, 0).await;
    let Some(shell) = require("the sqlite3 command", Shell::read(&daemon)) else {
        return;
    };
    let wal = daemon.database().with_extension("db-wal");
    let wal_bytes = || std::fs::metadata(&wal).unwrap().len();
    let mut batch = 1;
    while wal_bytes() < 66 << 20 {
        store_much(&daemon, batch).await;
        batch += 1;
    }
    let noted = eventually("the reader is noted", || note(&daemon, "wal_held")).await;
    let reader = format!("sqlite3 (process {})", shell.0.id());
    assert!(noted.contains(&reader), "{noted}");
    let shown = status(&daemon);
    assert_eq!(shown["code"], "wal_held");
    assert!(shown["message"].as_str().unwrap().contains(&reader), "{shown}");
    assert_eq!(lines(&daemon, "a process reads an old snapshot"), 1);
    shell.end();
    eventually("the note is gone", || async {
        note(&daemon, "wal_held").await.is_none().then_some(())
    })
    .await;
    assert!(wal_bytes() < 1 << 20, "{} bytes are left", wal_bytes());
    assert_eq!(status(&daemon), json!(null));
}
