//! `export`, and back by `import`.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::prepared::ORDER_CALL;
use super::{Bench, listed};
use crate::support::{Daemon, Klaviyo};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_event_is_a_line_with_its_call_as_received_but_for_the_write_key() {
    let bench = Bench::prepared().await;
    let out = bench.run(&["export"]).well();
    let events = lines(&out);
    assert_eq!(events.len(), 6);
    let known = &events[0]["klaviyoRelay"];
    assert_eq!(
        (&known["id"], &known["status"], &known["source"]),
        (&json!(1), &json!("delivered"), &json!("shop"))
    );
    let call = ORDER_CALL.replace("\"wk_shop\"", "\"***\"").replace('\n', " ");
    assert!(out.contains(&format!("\"batch\":[{call}]}}\n")), "{out}");
    assert!(!out.contains("wk_shop"));
}

#[tokio::test]
async fn filters_choose_and_a_dry_run_counts() {
    let bench = Bench::prepared().await;
    let ids = |arguments: &[&str]| {
        let events = lines(&bench.run(arguments).well());
        let ids = events.iter().map(|event| event["klaviyoRelay"]["id"].as_i64().unwrap());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&["export", "--status", "dead"]), [2, 4]);
    assert_eq!(ids(&["export", "--profile", "eve"]), [5, 6]);
    assert_eq!(ids(&["export", "--event", "nothing"]), [0; 0]);
    let shown = bench.run(&["export", "--profile", "eve", "--dry-run"]).well();
    assert_eq!(listed(&shown), "2 events would be exported: 5, 6");
}

#[tokio::test]
async fn a_file_is_its_owners_compressed_by_its_name_and_never_overwritten() {
    let bench = Bench::prepared().await;
    let shown = bench.run(&["export", "--output", "out.ndjson.gz"]).well();
    assert_eq!(shown, "6 events exported to out.ndjson.gz\n");
    let file = bench.path().join("out.ndjson.gz");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let packed = fs::read(&file).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, bench.run(&["export"]).well());
    let ran = bench.run(&["export", "--output", "out.ndjson.gz"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(
        ran.err.starts_with("error: failed to write out.ndjson.gz: "),
        "{}",
        ran.err
    );
    let shown = bench.run(&["export", "-o", "out.ndjson", "--json"]).json();
    assert_eq!(shown["count"], 6);
}

/// Of each event what an import must bring back.
fn facts(exported: &str) -> Vec<(Value, Value, Value, Value)> {
    let of = |event: Value| {
        let known = &event["klaviyoRelay"];
        let fields = (known["messageId"].clone(), known["type"].clone(), known["at"].clone());
        (fields.0, fields.1, fields.2, event["batch"].clone())
    };
    lines(exported).into_iter().map(of).collect()
}

#[tokio::test]
async fn what_was_exported_is_imported_as_it_was() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    // Without a type, without a message id, with a clock that is an hour behind; and in a batch with its own context.
    let early = json!({"userId": "u1", "event": "A", "timestamp": "2026-11-20T10:00:00.000Z",
        "sentAt": "2026-11-20T10:00:05.000Z", "properties": {"n": 1.50, "text": "line\nbreak"}});
    daemon.send("/v1/track", &early).await;
    let batch = json!({"context": {"ip": "192.0.2.1"}, "sentAt": "2026-11-20T10:00:05.000Z", "batch": [
        {"type": "identify", "userId": "u2", "traits": {"email": "u2@x.co"}},
        {"type": "track", "userId": "u2", "timestamp": "2026-11-20T09:00:00.000Z"},
    ]});
    daemon.send("/v1/batch", &batch).await;
    daemon.settled().await;
    let ran = daemon.command(&["export"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let exported = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(facts(&exported).len(), 3);

    let bench = Bench::new();
    bench.run_on(&exported, &["import", "-"]).well();
    let again = bench.run(&["export"]).well();
    assert_eq!(facts(&again), facts(&exported));
    assert!(again.contains("\"context\":{\"ip\":\"192.0.2.1\"}"), "{again}");
    let shown = bench.run_on(&exported, &["import", "-"]).well();
    assert_eq!(shown, "3 lines: 0 stored, 3 known before\n");
}

#[tokio::test]
async fn a_pipe_that_closes_early_is_no_error() {
    let bench = Bench::prepared().await;
    let program = env!("CARGO_BIN_EXE_klaviyo-relay");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &format!("{program} export | head -n 1")]);
    let ran = shell.current_dir(bench.path()).output().unwrap();
    assert!(ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(lines(&String::from_utf8(ran.stdout).unwrap()).len(), 1);
}
