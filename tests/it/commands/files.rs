//! The files that the program makes: for their owner alone, whatever the umask, and never through a link.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Bench, Ran, SANDBOX, finish};
use crate::support::eventually;

const CALL: &str = r#"{"type":"identify","messageId":"m","userId":"u"}"#;

/// As `Bench::command`, with a umask that lets everybody read and write.
fn open_to_all(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_klaviyo-relay");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\"", program]);
    command.args(arguments).current_dir(bench.path());
    command.env("TMPDIR", bench.path()).stdout(Stdio::piped());
    command
}

fn import(bench: &Bench) -> Ran {
    finish(open_to_all(bench, &["import", "-"]), CALL)
}

/// The files of a folder that others have any permission for, but for those that a test made.
fn readable(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let open = files.filter(|file| file.metadata().unwrap().permissions().mode() & 0o077 != 0);
    let names = open.map(|file| file.file_name().into_string().unwrap());
    names.filter(|name| name != "config.toml").collect()
}

#[tokio::test]
async fn a_daemon_makes_its_files_for_their_owner_alone() {
    let bench = Bench::new();
    let mut command = open_to_all(&bench, &["serve"]);
    let mut daemon = command.stderr(Stdio::null()).spawn().unwrap();
    let has = |name: &str| bench.path().join(name).exists();
    eventually("the daemon's files are there", || async {
        let all = ["outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db.lock"];
        all.iter().all(|name| has(name)).then_some(())
    })
    .await;
    let readable = readable(bench.path());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(readable, [""; 0]);
}

#[test]
fn a_command_that_makes_an_outbox_or_a_folder_does_so_too() {
    let bench = Bench::new();
    assert_eq!(import(&bench).code, 0);
    assert!(bench.path().join("outbox.db").exists());
    let ran = finish(open_to_all(&bench, &["backup", "copy.db"]), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = finish(open_to_all(&bench, &["demo"]), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(readable(bench.path()), [""; 0]);
}

#[test]
fn a_lock_that_is_a_link_is_not_written_through() {
    let bench = Bench::new();
    let other = bench.path().join("other");
    fs::write(&other, "mine").unwrap();
    symlink(&other, bench.path().join("outbox.db.lock")).unwrap();
    let ran = import(&bench);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("failed to prepare outbox.db.lock"), "{ran:?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
}

#[test]
fn no_new_file_is_made_where_a_link_leads() {
    for name in ["outbox.db", "outbox.db-wal"] {
        let bench = Bench::new();
        symlink(bench.path().join("elsewhere"), bench.path().join(name)).unwrap();
        let ran = import(&bench);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(&format!("{name} is a link; remove it")), "{ran:?}");
        assert!(!bench.path().join("elsewhere").exists(), "{name}");
    }
}

#[test]
fn a_linked_folder_and_a_link_to_an_outbox_go_on_working() {
    let bench = Bench::with(&format!("outbox.path = \"data/outbox.db\"\n{SANDBOX}"));
    fs::create_dir(bench.path().join("disk")).unwrap();
    symlink("disk", bench.path().join("data")).unwrap();
    assert_eq!(import(&bench).code, 0);
    assert!(bench.path().join("disk/outbox.db").exists());

    fs::rename(bench.path().join("disk/outbox.db"), bench.path().join("disk/moved.db")).unwrap();
    symlink("moved.db", bench.path().join("disk/outbox.db")).unwrap();
    let ran = import(&bench);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("1 known before"), "{ran:?}");
}
