//! `backup` and `restore`: one moment of an outbox, and back, with nothing sent by itself.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use expect_test::expect;
use serde_json::json;

use super::prepared::{BEFORE, statuses};
use super::{Bench, listed};
use crate::support::{Daemon, Klaviyo};

#[tokio::test]
async fn a_backup_is_one_file_for_its_owner_and_never_overwrites() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["backup", "copy.db"]).well();
    assert!(output.starts_with("copy.db: "), "{output}");
    assert!(
        output.ends_with(" bytes, 6 events accepted, 2 of them not finished\n"),
        "{output}"
    );
    let file = bench.path().join("copy.db");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!bench.path().join("copy.db-wal").exists());
    let before = fs::read(&file).unwrap();
    let ran = bench.run(&["backup", "copy.db"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.starts_with("error: copy.db exists already; "), "{}", ran.err);
    assert_eq!(fs::read(&file).unwrap(), before);
    let output = bench.run(&["backup", "other.db", "--json"]).json();
    assert_eq!((&output["accepted"], &output["unfinished"]), (&json!(6), &json!(2)));
}

#[tokio::test]
async fn what_was_not_finished_is_held_after_a_restore_and_can_be_released() {
    let bench = Bench::prepared().await;
    bench.take_in_the_waiting().await;
    bench.run(&["backup", "copy.db"]).well();
    let ran = bench.run(&["restore", "copy.db"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("error: outbox.db exists already; give --force, "),
        "{}",
        ran.err
    );

    let output = bench.run(&["restore", "copy.db", "--force", "--dry-run"]).well();
    assert!(
        output.starts_with("2 events would be held, to be sent again\n       5  "),
        "{output}"
    );
    let here = fs::read_dir(bench.path()).unwrap();
    let here: Vec<_> = here.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        here.iter().all(|name| !name.to_string_lossy().starts_with(".klaviyo")),
        "nothing is left of looking: {here:?}"
    );

    let output = bench.run(&["restore", "copy.db", "--force", "--json"]).json();
    assert_eq!((&output["count"], &output["first"][0]["id"]), (&json!(2), &json!(5)));
    let former = bench.path().join(output["former"].as_str().unwrap());
    assert!(former.exists(), "{output}");
    assert!(!bench.path().join("outbox.db.restoring").exists());
    assert!(!bench.path().join("outbox.db.restoring.lock").exists());
    let held = ["delivered", "dead", "skipped", "dead", "held", "held"];
    assert_eq!(statuses(&bench), held);
    assert_eq!(bench.run(&["audit", "--deep", "--json"]).json()["holds"], true);
    let output = bench.run(&["release", "--status", "held"]).well();
    assert_eq!(listed(&output), "2 events will be released: 5, 6");
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn a_restore_prints_its_consequences_and_where_the_former_outbox_is() {
    let bench = Bench::prepared().await;
    bench.run(&["backup", "copy.db"]).well();
    let output = bench.run(&["restore", "copy.db", "--force"]).well();
    let (before, after) = output.split_once("outbox.db.before-").unwrap();
    let (_, after) = after.split_once(char::is_whitespace).unwrap();
    expect![[r#"
        the outbox that was here is now outbox.db.before-TIME 2 events are held and would be sent again
               5  2026-11-24T15:33:20.000Z  held       Item Added  user:eve  restored from a backup: it may have been delivered after the backup was made
               6  2026-11-24T15:33:20.000Z  held       Item Removed  user:eve  restored from a backup: it may have been delivered after the backup was made
        what was delivered after the backup was made goes out a second time; Klaviyo drops copies of events by their $event_id
        send them: klaviyo-relay release --status held   give them up: klaviyo-relay discard --status held
    "#]].assert_eq(&format!("{before}outbox.db.before-TIME {after}"));
}

#[tokio::test]
async fn what_is_no_outbox_is_not_restored() {
    let bench = Bench::prepared().await;
    fs::write(bench.path().join("notes.db"), "no database".repeat(1000)).unwrap();
    for (file, words) in [
        ("absent.db", "failed to find absent.db"),
        ("notes.db", "failed to open the outbox at notes.db"),
    ] {
        let ran = bench.run(&["restore", file, "--force"]);
        assert_eq!((ran.code, &*ran.out), (1, ""));
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    assert_eq!(statuses(&bench), BEFORE);
}

#[tokio::test]
async fn beside_a_daemon_a_backup_is_taken_and_a_restore_refused() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let call = json!({"type": "track", "userId": "jane", "event": "A"});
    daemon.send("/v1/track", &call).await;
    daemon.settled().await;
    let copy = daemon.database().with_file_name("copy.db");
    let copy = copy.to_str().unwrap();
    let ran = daemon.command(&["backup", copy, "--json"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let ran = daemon.command(&["restore", copy, "--force"]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let output = String::from_utf8(ran.stderr).unwrap();
    assert!(output.contains("is in use by another klaviyo-relay"), "{output}");
}

#[tokio::test]
async fn a_restored_outbox_has_owner_and_mode_of_the_one_it_replaces() {
    let bench = Bench::prepared().await;
    let outbox = bench.path().join("outbox.db");
    bench.run(&["backup", "copy.db"]).well();
    fs::set_permissions(&outbox, fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    // Only root can change an owner.
    if is_root {
        chown(&outbox, Some(4711), Some(4712)).unwrap();
    }
    let owned = |file: &str| {
        let file = fs::metadata(bench.path().join(file)).unwrap();
        (file.uid(), file.gid())
    };
    let before = owned("outbox.db");
    bench.run(&["restore", "copy.db", "--force"]).well();
    assert_eq!(owned("outbox.db"), before);
    assert_eq!(owned("outbox.db.lock"), before);
    let mode = fs::metadata(&outbox).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o640);

    fs::remove_file(&outbox).unwrap();
    if is_root {
        chown(bench.path(), Some(4713), Some(4714)).unwrap();
    }
    bench.run(&["restore", "copy.db"]).well();
    assert_eq!(owned("outbox.db"), owned("."));
    assert_eq!(fs::metadata(&outbox).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn an_outbox_that_may_not_be_opened_is_not_called_absent() {
    let bench = Bench::prepared().await;
    let folder = bench.path().join("kept");
    fs::create_dir(&folder).unwrap();
    fs::rename(bench.path().join("outbox.db"), folder.join("outbox.db")).unwrap();
    let config = format!("outbox.path = \"kept/outbox.db\"\n{}", super::SANDBOX);
    fs::write(bench.path().join("config.toml"), config).unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let shut = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    shut(if is_root { 0o700 } else { 0o000 });
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = bench.path().join("relay");
    fs::copy(env!("CARGO_BIN_EXE_klaviyo-relay"), &program).unwrap();
    let ran = |command: &str| {
        let mut command = {
            let mut run = Command::new(&program);
            run.arg(command).current_dir(bench.path()).env_clear();
            run
        };
        command.stdout(Stdio::piped());
        if is_root {
            command.uid(65_534);
        }
        super::finish(command, "")
    };
    let owner = if is_root { "sudo -u root" } else { "sudo -u " };
    for command in ["status", "audit"] {
        let ran = ran(command);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.err.starts_with("error: permission denied on kept/outbox.db; "),
            "{ran:?}"
        );
        assert!(ran.err.contains(owner), "{ran:?}");
    }
    shut(0o755);
    fs::set_permissions(folder.join("outbox.db"), fs::Permissions::from_mode(0o400)).unwrap();
    let ran = ran("status");
    assert!(
        ran.err.starts_with("error: permission denied on kept/outbox.db; "),
        "{ran:?}"
    );
}
