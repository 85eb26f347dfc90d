//! `import`: what it stores, what it prints, and what a second run does.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use expect_test::expect;
use klaviyo_relay::outbox::free_bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bench, Ran, SANDBOX};
use crate::support::{eventually, require};

/// A call in one line.
fn track(number: u32) -> String {
    json!({"type": "track", "messageId": format!("m{number}"), "userId": "ann", "event": "Order Completed"}).to_string()
}

/// Calls, and everything that can be wrong with a line.
fn mixed() -> Vec<u8> {
    let lines = [
        track(1),
        "{\"type\":\"track\",".to_owned(),
        String::new(),
        track(2),
        r#"{"type":"track","messageId":"nobody","event":"E"}"#.to_owned(),
        "no json at all".to_owned(),
        track(1),
        "7".to_owned(),
    ];
    let mut bytes = lines.join("\n").into_bytes();
    bytes.extend_from_slice(b"\n\xff\xfe\n");
    bytes.extend_from_slice(track(3).as_bytes());
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn audit(bench: &Bench, name: &str) -> i64 {
    bench.run(&["status", "--json"]).json()["audit"][name].as_i64().unwrap()
}

fn shown(bench: &Bench, event: &str) -> Value {
    bench.run(&["show", event, "--json"]).json()[0].clone()
}

/// The lines on stderr without the hints.
fn output(ran: &Ran) -> Vec<&str> {
    let lines = ran.err.lines();
    lines.filter(|line| !line.starts_with("hint: ")).collect()
}

#[test]
fn good_lines_are_stored_and_bad_ones_reported_with_their_place() {
    let bench = Bench::new();
    fs::write(bench.path().join("calls.ndjson"), mixed()).unwrap();
    let ran = bench.run(&["import", "calls.ndjson"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.out,
        "10 lines: 3 stored, 2 kept as dead, 1 known before, 3 unreadable\n"
    );
    let output = output(&ran);
    assert!(output[0].starts_with("calls.ndjson:2: not JSON: EOF"), "{output:?}");
    assert!(output[1].starts_with("calls.ndjson:6: not JSON: "), "{output:?}");
    assert_eq!(output[2..], ["calls.ndjson:9: not UTF-8"]);
    assert_eq!((audit(&bench, "pending"), audit(&bench, "dead")), (3, 2));
    assert_eq!(shown(&bench, "m1")["source"], "shop");
    assert_eq!(shown(&bench, "m3")["status"], "pending");
    let reason = shown(&bench, "nobody")["reason"].to_string();
    assert!(reason.contains("no_user_anon_id"), "{reason}");
}

#[test]
fn gzip_of_several_members_stdin_and_several_files_are_accepted() {
    let bench = Bench::new();
    let members = [gzip(track(1).as_bytes()), gzip(b"\n"), gzip(track(2).as_bytes())].concat();
    // By its first bytes, whatever it is called.
    fs::write(bench.path().join("a.ndjson"), members).unwrap();
    fs::write(bench.path().join("b.ndjson"), track(3)).unwrap();
    let ran = bench.run_on(&track(4), &["import", "a.ndjson", "b.ndjson", "-", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let tally = ran.json();
    assert_eq!((&tally["lines"], &tally["stored"]), (&json!(4), &json!(4)));
    for (event, id) in [("m1", 1), ("m2", 2), ("m3", 3), ("m4", 4)] {
        assert_eq!(shown(&bench, event)["id"], json!(id), "{event}");
    }
}

#[test]
fn what_is_no_regular_file_is_read_once() {
    let bench = Bench::new();
    let calls: Vec<String> = (1..=2000).map(track).collect();
    let archive = gzip(calls.join("\n").as_bytes());
    let pipe = bench.path().join("calls.pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let writing = std::thread::spawn(move || fs::write(pipe, archive).unwrap());
    let ran = bench.run(&["import", "calls.pipe"]);
    writing.join().unwrap();
    assert_eq!((ran.code, &*ran.out), (0, "2000 lines: 2000 stored\n"), "{ran:?}");
    let others: Vec<String> = (2001..=4000).map(track).collect();
    let ran = bench.run_on(&others.join("\n"), &["import", "/dev/stdin"]);
    assert_eq!((ran.code, &*ran.out), (0, "2000 lines: 2000 stored\n"), "{ran:?}");
}

#[test]
fn what_stands_behind_the_end_of_a_gzip_costs_no_line_before_it() {
    let bench = Bench::new();
    let archive = [gzip(format!("{}\n{}", track(1), track(2)).as_bytes()), vec![0; 512]].concat();
    fs::write(bench.path().join("calls.gz"), archive).unwrap();
    let ran = bench.run(&["import", "calls.gz"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(output(&ran)[0].contains("cannot be read on: "), "{ran:?}");
    assert_eq!(audit(&bench, "pending"), 2);
}

#[test]
fn a_torn_gzip_is_reported_and_its_import_continues_once_it_is_whole() {
    let bench = Bench::new();
    let calls: Vec<String> = (1..200).map(track).collect();
    let whole = gzip(calls.join("\n").as_bytes());
    let file = bench.path().join("calls.gz");
    fs::write(&file, &whole[..whole.len() - 100]).unwrap();
    let ran = bench.run(&["import", "calls.gz"]);
    assert_eq!(ran.code, 1);
    assert!(output(&ran)[0].contains("cannot be read on: "), "{ran:?}");
    fs::write(&file, &whole).unwrap();
    assert_eq!(bench.run(&["import", "calls.gz"]).code, 0);
    assert_eq!(audit(&bench, "accepted"), 199);
}

#[test]
fn a_second_run_skips_what_was_imported_and_a_grown_file_goes_on() {
    let bench = Bench::new();
    let file = bench.path().join("calls.ndjson");
    // Without ids of their own, two of them alike.
    let line = r#"{"type":"track","userId":"ann","event":"E"}"#;
    let first = vec![line; 2000].join("\n");
    fs::write(&file, &first).unwrap();
    assert_eq!(bench.run(&["import", "calls.ndjson"]).code, 0);
    assert_eq!(audit(&bench, "accepted"), 2000);
    let again = bench.run(&["import", "calls.ndjson"]);
    assert_eq!(
        output(&again),
        ["calls.ndjson: the first 2000 lines were imported before"]
    );
    assert_eq!(
        again.out,
        "0 lines: 0 stored; 2000 lines imported before were skipped\n"
    );
    fs::write(&file, format!("{first}\n{line}\n")).unwrap();
    let grown = bench.run(&["import", "calls.ndjson"]);
    assert!(grown.out.starts_with("1 lines: 1 stored; 2000 "), "{grown:?}");
    // The same from a pipe has no place to go on from; the made ids show what is known.
    let piped = bench.run_on(&first, &["import", "-"]);
    assert_eq!(piped.out, "2000 lines: 0 stored, 2000 known before\n");
    // Another file that begins alike is not mistaken for the first.
    let other = first
        .replacen("\"ann\"", "\"bob\"", 1999)
        .replacen("\"bob\"", "\"ann\"", 1998);
    fs::write(&file, other).unwrap();
    let other = bench.run(&["import", "calls.ndjson"]);
    assert_eq!(other.out, "2000 lines: 2 stored, 1998 known before\n");
}

#[test]
fn strict_stops_at_the_first_line_that_cannot_be_accepted() {
    let bench = Bench::new();
    let file = bench.path().join("calls.ndjson");
    fs::write(&file, [track(1), "{}".to_owned(), track(2)].join("\n")).unwrap();
    for stored in [1, 0] {
        let ran = bench.run(&["import", "--strict", "calls.ndjson"]);
        assert_eq!(ran.code, 1);
        assert!(
            ran.out.starts_with(&format!("{stored} lines: {stored} stored")),
            "{ran:?}"
        );
        let last = ran.err.lines().last().unwrap();
        assert!(last.starts_with("error: calls.ndjson:2: missing_type: "), "{last}");
        assert_eq!(audit(&bench, "accepted"), 1);
    }
    fs::write(&file, [track(1), track(2)].join("\n")).unwrap();
    assert_eq!(bench.run(&["import", "--strict", "calls.ndjson"]).code, 0);
    assert_eq!(audit(&bench, "accepted"), 2);
}

#[test]
fn a_dry_run_counts_and_shows_problems_and_stores_nothing() {
    let bench = Bench::new();
    fs::write(bench.path().join("calls.ndjson"), mixed()).unwrap();
    let ran = bench.run(&["import", "--dry-run", "calls.ndjson"]);
    assert_eq!(ran.code, 1);
    let mut lines = ran.out.lines();
    assert_eq!(
        lines.next().unwrap(),
        "10 lines: 3 would be stored, 2 would be kept as dead, 1 known before, 3 unreadable"
    );
    assert_eq!(lines.count(), 5, "{ran:?}");
    assert!(!bench.path().join("outbox.db").exists());
    fs::write(bench.path().join("one.ndjson"), track(2)).unwrap();
    assert_eq!(bench.run(&["import", "one.ndjson"]).code, 0);
    let ran = bench.run(&["import", "--dry-run", "--json", "calls.ndjson"]);
    let tally = ran.json();
    assert_eq!((&tally["stored"], &tally["known"]), (&json!(2), &json!(2)));
    assert_eq!(tally["problems"][0]["line"], json!(2));
    assert_eq!(audit(&bench, "accepted"), 1);
}

#[test]
fn the_source_must_be_one_of_the_configured() {
    let bench = Bench::new();
    let ran = bench.run_on("", &["import", "--source", "nobody", "-"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.ends_with("no source is named nobody; there are: shop\n"),
        "{}",
        ran.err
    );
    let ran = bench.run(&["import", "absent.ndjson"]);
    assert!(
        ran.err.starts_with("error: failed to read absent.ndjson: No such file"),
        "{}",
        ran.err
    );
}

#[test]
fn history_without_backfill_is_hinted_at() {
    let bench = Bench::new();
    let old = r#"{"type":"track","userId":"ann","event":"E","timestamp":"2020-01-01T00:00:00Z"}"#;
    let ran = bench.run_on(old, &["import", "-"]);
    expect![[r#"
        hint: some of these events are older than delivery.replay_consent_within, and start flows at Klaviyo as if they happened now; --backfill has them recorded as history
    "#]]
    .assert_eq(&ran.err);
    bench.run_on(old, &["import", "--backfill", "-"]).well();
    bench.run_on(&track(9), &["import", "-"]).well();
}

#[tokio::test]
async fn an_interrupted_import_ends_cleanly_and_remembers_its_place() {
    let bench = Bench::new();
    let calls: Vec<String> = (1..=40_000).map(track).collect();
    fs::write(bench.path().join("calls.ndjson"), calls.join("\n")).unwrap();
    // The outbox is there, so that it can be looked into from the start.
    bench.run_on("", &["import", "-"]).well();
    let mut import = bench.command(&["import", "calls.ndjson"]);
    let import = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("a part is imported", || async {
        (audit(&bench, "accepted") > 0).then_some(())
    })
    .await;
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    let ended = import.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let output = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(output, "error: interrupted; the same command continues from here\n");
    let stored = audit(&bench, "accepted");
    assert!(stored < 40_000, "it was interrupted before its end");
    let tally = bench.run(&["import", "calls.ndjson", "--json"]).json();
    assert_eq!(tally["skipped"], json!(stored), "nothing is read again");
    assert_eq!(tally["stored"], json!(40_000 - stored));
    assert_eq!(audit(&bench, "accepted"), 40_000);
}

#[tokio::test]
async fn a_full_disk_is_waited_for_and_reported() {
    let bench = Bench::with(&SANDBOX.replace("disk = 0", "disk = \"1TiB\""));
    let short = free_bytes(bench.path()).filter(|free| *free < 1 << 40);
    if require("a disk with less than 1 TiB free", short).is_none() {
        return;
    }
    let calls: Vec<String> = (1..=2000).map(track).collect();
    fs::write(bench.path().join("calls.ndjson"), calls.join("\n")).unwrap();
    let mut import = bench.command(&["import", "calls.ndjson"]);
    let mut import = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(import.stderr.take().unwrap()).lines();
    let waits = "the outbox's disk is full; trying again in 30 s";
    assert!(output.by_ref().map_while(Result::ok).any(|line| line == waits));
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    assert!(
        output
            .map_while(Result::ok)
            .any(|line| line.starts_with("error: interrupted; "))
    );
    assert_eq!(import.wait().unwrap().code(), Some(1));
    assert!(audit(&bench, "accepted") < 2000);
}
