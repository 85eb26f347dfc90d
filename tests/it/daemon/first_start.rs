//! The daemon killed in its very first start: the next one makes the outbox, whatever the kill left.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::track;
use crate::support::{Daemon, require};

/// The spread of the kills, from the moment that the daemon has its lock file.
const SPREAD: Duration = Duration::from_millis(20);
/// How many kills, where the environment does not say.
const KILLS: u32 = 60;

fn serve(files: &TempDir, wrapper: &[&str]) -> Child {
    let program = [env!("CARGO_BIN_EXE_klaviyo-relay")];
    let words: Vec<&str> = wrapper.iter().copied().chain(program).collect();
    Command::new(words[0])
        .args(&words[1..])
        .arg("--config")
        .arg(files.path().join("config.toml"))
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn assert_the_next_start_answers(files: TempDir) {
    let daemon = Daemon::start_in(files).await;
    daemon.send("/v1/track", &track("u1", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_may_be_killed_at_any_moment() {
    let kills = std::env::var("RELAY_TEST_FIRST_START_KILLS");
    let kills = kills.map_or(KILLS, |kills| kills.parse().unwrap());
    for kill in 0..kills {
        let files = Daemon::files_alone();
        let mut first = serve(&files, &[]);
        while !files.path().join("outbox.db.lock").exists() {
            assert!(first.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        // Not to wait for anything: the moment is what is tried.
        std::thread::sleep(SPREAD * kill / kills);
        first.kill().unwrap();
        first.wait().unwrap();
        assert_the_next_start_answers(files).await;
    }
}

/// The same by the system calls that change the file or its journal: a kill at each of the first, then at some.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_may_be_killed_at_any_write() {
    let strace = Command::new("strace").arg("-V").output().ok().map(|_| ());
    let Some(()) = require("strace", strace) else {
        return;
    };
    let mut left_journals = 0;
    for nth in (1..=40).chain((45..200).step_by(15)) {
        let files = Daemon::files_alone();
        let calls = "pwrite64,fsync,fdatasync,ftruncate,unlink";
        let trace = format!("trace={calls}");
        let inject = format!("inject={calls}:signal=SIGKILL:when={nth}");
        let at = files.path().join("outbox.db");
        let [file, journal, log] = ["", "-journal", "-wal"].map(|end| format!("{}{end}", at.display()));
        let strace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-P",
            &file,
            "-P",
            &journal,
            "-P",
            &log,
            "-e",
            &trace,
            "-e",
            &inject,
        ];
        assert!(!serve(&files, &strace).wait().unwrap().success(), "{nth}");
        left_journals += u32::from(fs::metadata(&journal).is_ok_and(|found| found.len() > 0));
        assert_the_next_start_answers(files).await;
    }
    assert!(left_journals > 3, "the kills came too late: {left_journals}");
}
