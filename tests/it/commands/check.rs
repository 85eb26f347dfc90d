//! `check`: what is well, what is not, and what to do.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::{Bench, Ran, SANDBOX, Sandbox};

/// What it found, one line each. Never anything on stderr.
fn findings(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.err, "", "{ran:?}");
    ran.out.lines().collect()
}

#[test]
fn as_shipped_all_is_well_and_nothing_reaches_klaviyo() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let bench = Bench::with(&fs::read_to_string(shipped).unwrap());
    let ran = bench.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let findings = findings(&ran);
    assert_eq!(
        findings[0],
        "ok    configuration: every key is known and well-formed"
    );
    assert_eq!(
        findings[1],
        "note  outbox: outbox.db does not exist yet; `serve` makes it"
    );
    assert!(findings[2].starts_with("ok    disk: "), "{findings:?}");
    assert_eq!(
        findings[3],
        "note  klaviyo: the sandbox in the program; NOTHING REACHES KLAVIYO"
    );
    assert_eq!(findings.len(), 4);
    assert!(
        !bench.path().join("outbox.db").exists(),
        "looking makes nothing"
    );
}

#[tokio::test]
async fn an_outbox_is_read_and_its_counts_add_up() {
    let bench = Bench::prepared().await;
    let ran = bench.run(&["check"]);
    assert_eq!(
        findings(&ran)[1],
        "ok    outbox: readable, and its counts add up"
    );
    fs::write(bench.path().join("outbox.db"), "no database".repeat(1000)).unwrap();
    let ran = bench.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(
        findings(&ran)[1].starts_with("WRONG outbox: failed to open the outbox at outbox.db: ")
    );
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
        (
            "pk_wrong",
            1,
            format!("WRONG klaviyo: {} answered 401: ", sandbox.url),
        ),
    ] {
        let ran = Bench::with(&sandbox.config(key)).run(&["check"]);
        assert_eq!(ran.code, code, "{ran:?}");
        let finding = *findings(&ran).last().unwrap();
        assert!(finding.starts_with(&start), "{finding}");
        assert!(!ran.out.contains("pk_"), "{ran:?}");
        let helps =
            finding.ends_with("check klaviyo.private_key, klaviyo.endpoint and klaviyo.revision");
        assert_eq!(helps, code == 1, "{finding}");
    }
}

#[test]
fn an_endpoint_that_nobody_listens_at_is_wrong() {
    // The port was free a moment ago, and is closed again.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
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
    let wrong = findings(&ran)
        .iter()
        .any(|line| line.starts_with("WRONG disk: "));
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
