//! `check`: what is well, what is not, and what to do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use expect_test::expect;
use klaviyo_relay::sandbox::{AccountLists, ListOption, OptIn, Options};
use serde_json::json;

use super::{Bench, Ran, SANDBOX, Sandbox};
use crate::support::{Daemon, Klaviyo, require};

/// What it found, without the figures of this machine and with the sandbox's address as `SANDBOX`.
fn masked(ran: &Ran, sandbox: &str) -> String {
    let mask = |line: &str| match line.split_once(": ") {
        Some((about, _)) if about.ends_with(" disk") || about.ends_with(" connections") => format!("{about}: …\n"),
        Some(_) | None => format!("{line}\n").replace(sandbox, "SANDBOX"),
    };
    findings(ran).into_iter().map(mask).collect()
}

/// What it found, one line each. Never anything on stderr.
fn findings(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.err, "", "{ran:?}");
    ran.out.lines().collect()
}

#[test]
fn as_shipped_all_is_well_and_nothing_reaches_klaviyo() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let shipped = fs::read_to_string(shipped).unwrap();
    // Another program may have these ports where the test runs.
    let shipped = shipped.replace("127.0.0.1:808", "127.0.0.1:0 #");
    let shipped = shipped
        .replace("127.0.0.1:0 #0\"", "127.0.0.1:0\"")
        .replace("127.0.0.1:0 #1\"", "127.0.0.1:0\"");
    let bench = Bench::with(&shipped);
    let ran = bench.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    expect![[r#"
        ok    configuration: every key is known and well-formed
        note  outbox: outbox.db does not exist yet; `serve` makes it
        ok    disk: …
        ok    ports: 127.0.0.1:0 is free (ingest.listen)
        ok    ports: 127.0.0.1:0 is free (admin.listen)
        ok    connections: …
        note  klaviyo: the sandbox in the program; NOTHING REACHES KLAVIYO
    "#]]
    .assert_eq(&masked(&ran, "nowhere"));
    assert!(!bench.path().join("outbox.db").exists(), "looking makes nothing");
}

#[test]
fn a_port_that_is_open_to_others_without_its_public_address_is_noted() {
    let note = "note  settings: ingest.listen is 0.0.0.0:0, and browser";
    let [here, all] = ["127.0.0.1", "0.0.0.0"].map(|at| format!("ingest.listen = \"{at}:0\""));
    let open = SANDBOX.replace(&here, &all);
    let ran = Bench::with(&open).run(&["check"]);
    assert!(ran.out.contains(note), "{ran:?}");
    let named = format!("ingest.public_url = \"https://relay.example\"\n{open}");
    for config in [named.as_str(), SANDBOX] {
        let ran = Bench::with(config).run(&["check"]);
        assert!(!ran.out.contains("note  settings"), "{ran:?}");
    }
}

#[test]
fn an_outbox_that_serve_could_not_make_is_reported() {
    let ran = Bench::with(&format!("outbox.path = \"/proc/outbox.db\"\n{SANDBOX}")).run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let finding = findings(&ran)[1];
    let words = "WRONG outbox: /proc/outbox.db does not exist, and cannot be made: ";
    assert!(finding.starts_with(words), "{finding}");
}

#[test]
fn an_outbox_in_memory_is_noted() {
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = memory.path().join("outbox.db");
    let config = format!("outbox.path = \"{}\"\n{SANDBOX}", path.display());
    let ran = Bench::with(&config).run(&["check"]);
    let finding = findings(&ran).into_iter().find(|line| line.contains(" durability: "));
    let finding = finding.unwrap().replace(&path.display().to_string(), "PATH");
    expect!["note  durability: what is stored in PATH does not last: it is in memory, and gone when the machine stops; give the outbox a disk or a volume"]
        .assert_eq(&finding);
}

#[test]
fn a_disk_without_a_free_inode_is_wrong() {
    let bench = Bench::with(&format!("outbox.path = \"full/outbox.db\"\n{SANDBOX}"));
    let full = bench.path().join("full");
    fs::create_dir(&full).unwrap();
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(&full)
            .output()
            .is_ok_and(|ran| ran.status.success())
    };
    let mounted = run(&["mount", "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs"]).then_some(());
    if require("a file system of its own", mounted).is_none() {
        return;
    }
    let ran = bench.run(&["check"]);
    run(&["umount"]);
    assert!(ran.out.contains("WRONG disk: no inode is free"), "{ran:?}");
}

#[test]
fn few_open_files_are_noted() {
    let bench = Bench::with(SANDBOX);
    let program = env!("CARGO_BIN_EXE_klaviyo-relay");
    let command = format!("ulimit -n 256; exec {program} check");
    let ran = std::process::Command::new("sh")
        .args(["-c", &command])
        .current_dir(bench.path())
        .output()
        .unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    let finding = out.lines().find(|line| line.contains(" connections: "));
    expect!["note  connections: 96 at once on ingest and 16 on admin, of 256 open files, 144 of them kept for the outbox and deliveries; raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn)"]
        .assert_eq(finding.unwrap());
}

#[tokio::test]
async fn an_outbox_is_read_and_its_counts_add_up() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["check"]);
    let finding = findings(&ran)[1];
    assert!(finding.starts_with("ok    outbox: readable by SQLite 3."), "{finding}");
    assert!(finding.ends_with(", and its counts add up"), "{finding}");
    fs::write(bench.path().join("outbox.db"), "no database".repeat(1000)).unwrap();
    let ran = bench.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(findings(&ran)[1].starts_with("WRONG outbox: failed to open the outbox at outbox.db: "));
}

#[test]
fn a_key_that_klaviyo_takes_is_well_and_another_is_wrong() {
    let bench = Bench::new();
    let sandbox = Sandbox::start(&bench, "pk_right");
    for (key, code, start) in [
        (
            "pk_right",
            0,
            format!("note  klaviyo: {} is a sandbox; NOTHING", sandbox.url),
        ),
        ("pk_wrong", 1, format!("WRONG klaviyo: {} answered 401: ", sandbox.url)),
    ] {
        let ran = Bench::with(&sandbox.config(key)).run(&["check"]);
        assert_eq!(ran.code, code, "{ran:?}");
        let findings = findings(&ran);
        let finding = findings.iter().find(|finding| finding.contains(" klaviyo: "));
        let finding = finding.unwrap();
        assert!(finding.starts_with(&start), "{finding}");
        assert!(!ran.out.contains("pk_"), "{ran:?}");
        let helps = finding.ends_with("check klaviyo.private_key, klaviyo.endpoint and klaviyo.revision");
        assert_eq!(helps, code == 1, "{finding}");
    }
}

#[test]
fn an_endpoint_that_nobody_listens_at_is_wrong() {
    // The port was free a moment ago, and is closed again.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("\"http://{port}\"\nklaviyo.private_key = \"pk_x\"");
    let ran = Bench::with(&SANDBOX.replace("\"sandbox\"", &url)).run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let finding = *findings(&ran).last().unwrap();
    let start = format!("WRONG klaviyo: http://{port}: no connection: ");
    assert!(finding.starts_with(&start), "{finding}");
    assert!(
        finding.ends_with("; check klaviyo.endpoint and the network"),
        "{finding}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_wrong() {
    let bench = Bench::with(&format!("outbox.path = \"data/outbox.db\"\n{SANDBOX}"));
    let ran = bench.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(
        findings(&ran).contains(&"WRONG disk: the outbox's folder does not exist; make it"),
        "{ran:?}"
    );
    fs::create_dir(bench.path().join("data")).unwrap();
    assert_eq!(bench.run(&["check"]).code, 0);
}

#[test]
fn too_little_disk_is_wrong() {
    let ran = Bench::with(&SANDBOX.replace("disk = 0", "disk = \"1TiB\"")).run(&["check"]);
    let wrong = findings(&ran).iter().any(|line| line.starts_with("WRONG disk: "));
    assert_eq!(
        wrong,
        ran.code == 1,
        "a test may run where more than 1 TiB is free: {ran:?}"
    );
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_noted() {
    let ran = Bench::with(&format!("klaviyo.private_key = \"pk_x\"\n{SANDBOX}")).run(&["check"]);
    assert_eq!(ran.code, 0);
    let noted = |words: &str| {
        findings(&ran)
            .iter()
            .any(|line| line.starts_with("note  ") && line.contains(words))
    };
    assert!(
        noted("klaviyo.private_key is set and klaviyo.endpoint is \"sandbox\""),
        "{ran:?}"
    );
    assert!(noted("chmod 600"), "{ran:?}");
    assert!(!ran.out.contains("pk_x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_scopes_and_the_clock_are_checked() {
    let lists = AccountLists::Only(vec![ListOption {
        id: "Xy12Z9".to_owned(),
        name: "Newsletter".to_owned(),
        opt_in: OptIn::Double,
    }]);
    let klaviyo = Klaviyo::with(Options {
        lists,
        ..Options::default()
    })
    .await;
    let url = format!("\"http://{}\"\nklaviyo.private_key = \"pk_sandbox\"", klaviyo.address);
    let known = SANDBOX.replace("\"sandbox\"", &url);
    let known = format!("mapping.list_id = \"Xy12Z9\"\n{known}");
    let ran = Bench::with(&known).run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let address = klaviyo.address.to_string();
    expect![[r#"
        ok    configuration: every key is known and well-formed
        note  config.toml holds klaviyo.private_key and can be read by every user of this machine: chmod 600, or use "env:NAME"
        note  outbox: outbox.db does not exist yet; `serve` makes it
        ok    disk: …
        ok    ports: 127.0.0.1:0 is free (ingest.listen)
        ok    ports: 127.0.0.1:0 is free (admin.listen)
        ok    connections: …
        note  write keys: that of shop is shorter than 16 characters and can be guessed; take a longer one
        note  klaviyo: http://SANDBOX is a sandbox; NOTHING REACHES KLAVIYO
        ok    scopes: the key has events:read
        ok    scopes: the key has profiles:read
        ok    scopes: the key has lists:read
        ok    clock: as Klaviyo's, within seconds
        ok    lists: Xy12Z9 is "Newsletter", double opt in
    "#]]
    .assert_eq(&masked(&ran, &address));

    let wrong = known.replace("Xy12Z9", "Nowher");
    let ran = Bench::with(&wrong).run(&["check", "--json"]);
    assert_eq!(ran.code, 1);
    let found = ran.json();
    assert_eq!(found["well"], false);
    let wrong: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["level"] == "wrong")
        .collect();
    assert_eq!(wrong.len(), 1, "{found}");
    assert_eq!(wrong[0]["about"], "lists");
    let text = wrong[0]["says"].as_str().unwrap();
    assert!(text.starts_with("Klaviyo has no list Nowher; "), "{text}");

    let refusal = json!({"errors": [{"id": "e", "status": 403, "code": "permission_denied", "title": "t",
        "detail": "The key lacks a scope."}]});
    klaviyo
        .fault(json!({"status": 403, "body": refusal, "path": "/api/events"}))
        .await;
    let ran = Bench::with(&known).run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out
            .contains("note  scopes: the key lacks events:read; unless it was given events:write alone"),
        "{}",
        ran.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_klaviyos_place_proves_nothing_of_a_scope_or_a_list() {
    let klaviyo = Klaviyo::start().await;
    let url = format!("\"http://{}\"\nklaviyo.private_key = \"pk_sandbox\"", klaviyo.address);
    let config = SANDBOX.replace("\"sandbox\"", &url);
    let bench = Bench::with(&format!("mapping.list_id = \"Xy12Z9\"\n{config}"));
    for (status, path) in [(200, "/api/events"), (403, "/api/profiles"), (404, "/api/lists/Xy12Z9")] {
        klaviyo
            .fault(json!({"status": status, "body": "<html>Sign in</html>", "path": path}))
            .await;
    }
    let ran = bench.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let foreign = "answered by something that is not Klaviyo";
    for line in [
        format!("WRONG scopes: events:read: 200: {foreign}"),
        format!("WRONG scopes: profiles:read: 403: {foreign}"),
        "ok    scopes: the key has lists:read".to_owned(),
        format!("WRONG lists: Xy12Z9: 404: {foreign}"),
    ] {
        assert!(ran.out.contains(&line), "{line}\n{}", ran.out);
    }
}

#[test]
fn a_port_that_another_program_has_is_wrong() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let config = SANDBOX.replacen("127.0.0.1:0", &port.to_string(), 1);
    let ran = Bench::with(&config).run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let words = format!("WRONG ports: {port} is taken by another program; stop that, or set admin.listen\n");
    assert!(ran.out.contains(&words), "{}", ran.out);
}

#[tokio::test]
async fn the_ports_of_the_daemon_itself_are_well() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let ran = daemon.command(&["check"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(
        text.contains("ok    ports: the daemon of this outbox runs (process "),
        "{text}"
    );
}

#[tokio::test]
async fn files_that_others_may_read_are_noted() {
    let bench = Bench::prepared().await;
    let file = bench.path().join("outbox.db");
    for (mode, noted) in [(0o600, false), (0o644, true)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let ran = bench.run(&["check"]);
        assert_eq!(
            ran.out
                .contains("note  files: others may read personal data in outbox.db; "),
            noted,
            "{}",
            ran.out
        );
    }
}

#[test]
fn a_write_key_that_can_be_guessed_is_noted() {
    for (key, noted) in [
        ("wk_shop", true),
        ("0123456789abcde", true),
        ("0123456789abcdef", false),
        ("dev", false),
    ] {
        let ran = Bench::with(&SANDBOX.replace("wk_shop", key)).run(&["check"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let note = "note  write keys: that of shop is shorter than 16 characters";
        assert_eq!(ran.out.contains(note), noted, "{ran:?}");
    }
}
