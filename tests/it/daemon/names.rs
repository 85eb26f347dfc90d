//! The outbox's file under a running daemon: deleted, moved, replaced, and by another name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

/// The outbox's own files, in a folder.
fn files(database: &Path) -> [PathBuf; 3] {
    ["db", "db-wal", "db-shm"].map(|end| database.with_extension(end))
}

/// What somebody does to the file.
type Deed = fn(&Path);

fn delete(database: &Path) {
    for file in files(database) {
        fs::remove_file(file).unwrap();
    }
}

fn delete_the_wal(database: &Path) {
    fs::remove_file(database.with_extension("db-wal")).unwrap();
}

fn replace(database: &Path) {
    fs::copy(database, database.with_extension("copy")).unwrap();
    fs::rename(database.with_extension("copy"), database).unwrap();
}

fn aside(database: &Path) {
    fs::rename(database, database.with_extension("aside")).unwrap();
}

async fn is_rejected(daemon: &Daemon) {
    eventually("its health notices", || async {
        let (status, health) = daemon.look("/healthz").await;
        let gone = health["reasons"][0]["code"] == json!("file_gone");
        (status == 503 && gone).then_some(())
    })
    .await;
    let (status, answer) = daemon.post("/v1/track", &track("late", 1)).await;
    assert_ne!(status, 200, "{answer}");
    let (status, ready) = daemon.look("/readyz").await;
    assert_eq!((status, &ready["notes"][0]["code"]), (503, &json!("file_gone")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_into_a_file_that_was_deleted_moved_or_replaced() {
    let deeds: [Deed; 4] = [delete, delete_the_wal, replace, aside];
    for deed in deeds {
        let klaviyo = Klaviyo::start().await;
        let mut daemon = Daemon::start(&klaviyo, "").await;
        daemon.send("/v1/track", &track("u1", 1)).await;
        deed(&daemon.database());
        // Not even the first one: the file is looked for before an answer.
        let (status, answer) = daemon.post("/v1/track", &track("u1", 2)).await;
        assert_ne!(status, 200, "{answer}");
        is_rejected(&daemon).await;
        let words = "was deleted, moved or replaced under the daemon";
        assert_eq!(daemon.log().matches(words).count(), 1, "{}", daemon.log());
        eventually("what was acknowledged is delivered", || async {
            (!klaviyo.events().is_empty()).then_some(())
        })
        .await;
        daemon.terminate().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_put_back_takes_events_again_and_has_all_of_them() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    aside(&daemon.database());
    is_rejected(&daemon).await;
    fs::rename(daemon.database().with_extension("aside"), daemon.database()).unwrap();
    eventually("it takes events", || async {
        let status = daemon.try_post("/v1/track", &track("u1", 2)).await;
        (status == Some(200)).then_some(())
    })
    .await;
    assert_eq!(daemon.look("/healthz").await.0, 200);
    assert_eq!(count(&daemon.settled().await, "delivered"), 2);
}

/// `serve` with the same configuration, but another name of the outbox.
fn serve_by(daemon: &Daemon, name: &str) -> Output {
    let folder = daemon.database().parent().unwrap().to_owned();
    let config = fs::read_to_string(folder.join("config.toml")).unwrap();
    let other = folder.join("other.toml");
    fs::write(&other, config.replacen("outbox.db", name, 1)).unwrap();
    Command::new("timeout")
        .arg("10")
        .arg(env!("CARGO_BIN_EXE_klaviyo-relay"))
        .arg("--config")
        .arg(other)
        .arg("serve")
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_outbox_by_two_names_has_one_daemon() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let folder = daemon.database().parent().unwrap().to_owned();
    fs::create_dir(folder.join("far")).unwrap();
    std::os::unix::fs::symlink(daemon.database(), folder.join("far/link.db")).unwrap();
    let refused = |ran: Output, words: &str| {
        let text = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{text}");
        assert!(text.contains(words), "{text}");
    };
    let in_use = format!("is in use by another klaviyo-relay (process {})", daemon.pid());
    refused(serve_by(&daemon, "far/link.db"), &in_use);
    fs::remove_file(daemon.database().with_extension("db.lock")).unwrap();
    refused(serve_by(&daemon, "outbox.db"), &in_use);
    fs::hard_link(daemon.database(), folder.join("hard.db")).unwrap();
    refused(serve_by(&daemon, "hard.db"), "has 2 names (hard links)");
    fs::remove_file(folder.join("hard.db")).unwrap();
    daemon.send("/v1/track", &track("u1", 1)).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
}
