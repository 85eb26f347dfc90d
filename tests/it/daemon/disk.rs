//! The disk under the outbox, full and failing. Needs root, for a small file system of its own, and strace.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::track;
use crate::support::fault::Fault;
use crate::support::{Daemon, Klaviyo, count, eventually, require};

/// A file system in memory of a few megabytes; unmounted with the test.
struct SmallDisk {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::TempDir::new().unwrap();
        let at = folder.path().to_owned();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { at, _folder: folder })
    }

    fn fill(&self) -> PathBuf {
        let ballast = self.at.join("ballast");
        let full = Command::new("dd")
            .arg("if=/dev/zero")
            .arg(format!("of={}", ballast.display()))
            .args(["bs=4k", "count=4096"])
            .output()
            .unwrap();
        assert!(!full.status.success(), "the disk took more than it has");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn outbox_at(folder: &Path) -> String {
    format!("path = \"{}/outbox.db\"\nmin_free_disk = 0", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_429_and_ingest_recovers_without_a_restart() {
    let disk = SmallDisk::mount();
    let Some(disk) = require("a small file system of its own (root)", disk) else {
        return;
    };
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"status": 503, "path": "/api/events"})).await;
    let daemon = Daemon::start_on(&klaviyo, &outbox_at(&disk.at), "").await;
    let mut acknowledged = Vec::new();
    let ballast = disk.fill();
    let mut rejected = 0;
    for number in 1..=200 {
        let mut call = track("u1", number);
        call["properties"]["filler"] = json!("x".repeat(20_000));
        let (status, answer) = daemon.post("/v1/track", &call).await;
        match status {
            200 => acknowledged.push(number),
            429 => rejected += 1,
            _ => panic!("{status}: {answer}"),
        }
    }
    assert!(
        rejected > 100,
        "the disk was full: {rejected} rejected, {} accepted",
        acknowledged.len()
    );
    std::fs::remove_file(ballast).unwrap();
    daemon.send("/v1/track", &track("u1", 1001)).await;
    acknowledged.push(1001);
    klaviyo.behave().await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), i64::try_from(acknowledged.len()).unwrap());
    let people = super::ordering::numbers_by_person(&klaviyo);
    assert_eq!(people.values().next().unwrap(), &acknowledged);
}

/// The n-th sync of the disk fails, for several n: the daemon must end with a failure instead of going on, must not
/// have acknowledged what it could not sync, and must deliver everything it acknowledged after its restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_ends_the_daemon_and_costs_nothing_acknowledged() {
    let strace = Command::new("strace").arg("-V").output().ok().map(|_| ());
    let Some(()) = require("strace", strace) else {
        return;
    };
    for nth in [40, 55] {
        let klaviyo = Klaviyo::start().await;
        let mut daemon = Daemon::start(&klaviyo, "").await;
        daemon.terminate().await;
        daemon
            .restart_under(&[
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fsync,fdatasync",
                "-e",
                &format!("inject=fsync,fdatasync:error=EIO:when={nth}+"),
            ])
            .await;
        let mut acknowledged = Vec::new();
        for number in 1..=100 {
            match daemon.try_post("/v1/track", &track("u1", number)).await {
                Some(200) => acknowledged.push(number),
                Some(429) => {}
                Some(other) => panic!("{other}"),
                None => break,
            }
        }
        assert!(!daemon.end().await.success(), "it ended with a failure");
        assert!(daemon.log().contains("the outbox's disk failed"), "{}", daemon.log());
        daemon.restart().await;
        daemon.settled().await;
        let people = super::ordering::numbers_by_person(&klaviyo);
        let arrived = people.values().next().cloned().unwrap_or_default();
        for number in &acknowledged {
            assert!(arrived.contains(number), "{number} was acknowledged and is lost");
        }
        assert!(acknowledged.len() < 100, "the sync never failed");
    }
}

/// A quota and a read-only file system, which SQLite reports as it does a failed disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_is_a_full_disk() {
    for error in ["EDQUOT", "EROFS"] {
        let klaviyo = Klaviyo::start().await;
        let daemon = Daemon::start(&klaviyo, "").await;
        daemon.send("/v1/track", &track("u1", 1)).await;
        let files = ["db-wal", "db.probe"].map(|end| daemon.database().with_extension(end));
        let files = [files[0].as_path(), files[1].as_path()];
        let Some(fault) = Fault::begin(daemon.pid(), "pwrite64,write", error, &files).await else {
            return;
        };
        for number in 2..5 {
            let (status, answer) = daemon.post("/v1/track", &track("u1", number)).await;
            assert_eq!(status, 429, "{error}: {answer}");
        }
        let (status, ready) = daemon.look("/readyz").await;
        assert_eq!((status, &ready["notes"][0]["code"]), (503, &json!("disk_full")));
        assert_eq!(daemon.log().matches("the outbox's disk is full;").count(), 1);
        fault.end();
        daemon.send("/v1/track", &track("u1", 5)).await;
        daemon.settled().await;
        let people = super::ordering::numbers_by_person(&klaviyo);
        assert_eq!(people.values().next().unwrap(), &[1, 5]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_answers_429_until_there_is_space() {
    let disk = SmallDisk::mount();
    let Some(disk) = require("a small file system of its own (root)", disk) else {
        return;
    };
    let klaviyo = Klaviyo::start().await;
    let ballast = disk.fill();
    // Without an outbox, and with one that was closed in good order, so that it needs its log's files again.
    let mut daemon = Daemon::start_on(&klaviyo, &outbox_at(&disk.at), "").await;
    for number in 1..3 {
        let (status, answer) = daemon.post("/v1/track", &track("u1", number)).await;
        assert_eq!(status, 429, "{answer}");
        let (status, ready) = daemon.look("/readyz").await;
        assert_eq!((status, &ready["notes"][0]["code"]), (503, &json!("disk_full")));
        assert_eq!(daemon.look("/healthz").await.0, 200);
        std::fs::remove_file(&ballast).unwrap();
        eventually("it takes events", || async {
            let status = daemon.try_post("/v1/track", &track("u1", number)).await;
            (status == Some(200)).then_some(())
        })
        .await;
        eventually("they arrive", || async {
            let people = super::ordering::numbers_by_person(&klaviyo);
            (people.values().next()?.len() as u64 == number).then_some(())
        })
        .await;
        assert!(daemon.terminate().await.success(), "{}", daemon.log());
        if number == 1 {
            disk.fill();
            daemon.restart().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_waits_for_space_stops_on_a_signal() {
    let disk = SmallDisk::mount();
    let Some(disk) = require("a small file system of its own (root)", disk) else {
        return;
    };
    let klaviyo = Klaviyo::start().await;
    disk.fill();
    let mut daemon = Daemon::start_on(&klaviyo, &outbox_at(&disk.at), "").await;
    assert!(daemon.terminate().await.success(), "{}", daemon.log());
}

/// Files of 4 MiB at most.
const SMALL_FILES: &str = r#"ulimit -f 4096; exec "$0" "$@""#;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_size_of_files_is_a_full_disk_and_ends_nothing() {
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"status": 503})).await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    daemon.terminate().await;
    daemon.restart_under(&["bash", "-c", SMALL_FILES]).await;
    let (mut stored, mut full) = (0, false);
    for number in 1..1000 {
        let mut call = track("u1", number);
        call["properties"]["filler"] = json!("x".repeat(25_000));
        let (status, _) = daemon.post("/v1/track", &call).await;
        full = status == 429;
        if full {
            break;
        }
        stored += i64::from(status == 200);
    }
    assert!(full && stored > 0, "{stored} were stored");
    assert_eq!(daemon.look("/healthz").await.0, 200);
    daemon.terminate().await;
    klaviyo.behave().await;
    daemon.restart().await;
    assert_eq!(count(&daemon.settled().await, "delivered"), stored);
}
