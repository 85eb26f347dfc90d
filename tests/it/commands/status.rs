//! `status` on an outbox without a daemon.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Bench, finish};

#[tokio::test]
async fn everything_is_counted_and_the_dead_have_their_reasons() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["status"]).well();
    for part in [
        "requests go to the sandbox: NOTHING REACHES KLAVIYO\n  [klaviyo] endpoint changes that\n\naccepted             6\n",
        "dead                 2\npending              2\nheld                 0\ndifference           0\n",
        "\nevents         last minute   5 minutes        hour         day\n  came  ",
        "\nsources         last hour         day\n  shop  ",
        "\nwaiting                   all      < 1 m     < 10 m      < 1 h      < 1 d      older  oldest\n",
        "\n  pending  track            2 ",
        "  2026-11-24T15:33:20.000Z\n\nothers wait behind 1 event\n         5  1 behind it  pending since ",
        "  user:eve  not sent yet\n",
        "\ndead, by reason\n         1  event_not_defined\n",
        "         1  klaviyo_400_invalid_email\n            event 4: 400 invalid: Invalid email address\n",
        "\nkept: delivered 30 d, their bodies 30 d, dead 90 d; removed so far 0\n",
        "\nlook: klaviyo-relay show EVENT   send again: klaviyo-relay replay --status dead   at ",
    ] {
        assert!(output.contains(part), "{part}\n{output}");
    }
    assert!(!output.contains('\u{1b}'), "no colours in a pipe");
}

#[tokio::test]
async fn a_disk_that_is_too_full_is_shown_first() {
    let bench = Bench::prepared().await;
    let config = super::SANDBOX.replace("min_free_disk = 0", "min_free_disk = \"1TiB\"");
    std::fs::write(bench.path().join("config.toml"), config).unwrap();
    let output = bench.run(&["status"]).well();
    let (first, _) = output.split_once('\n').unwrap();
    assert!(first.starts_with("new requests are rejected: "), "{output}");
    assert!(
        first.contains(" free on the outbox's disk, outbox.min_free_disk is "),
        "{output}"
    );
    let check = bench.run(&["check"]);
    let (_, sentence) = first.split_once(": ").unwrap();
    assert!(check.out.contains(sentence), "{check:?}");
    let json = bench.run(&["status", "--json"]).json();
    assert!(json["refuses"].as_str().unwrap().ends_with(sentence), "{json}");
}

#[tokio::test]
async fn what_was_discarded_has_not_died_and_what_holds_others_up_is_named() {
    let bench = Bench::prepared().await;
    let died = |bench: &Bench| bench.run(&["status", "--json"]).json()["flow"]["died"]["day"].clone();
    let before = died(&bench);
    bench.run(&["hold", "--id", "5"]).well();
    let output = bench.run(&["status"]).well();
    let held = "1 held event holds up 1 of the same people: release or discard; for example event 5";
    assert!(output.contains(held), "{output}");
    bench.run(&["discard", "--id", "5"]).well();
    assert_eq!(died(&bench), before, "an operator gave it up");
    let output = bench.run(&["status"]).well();
    assert!(!output.contains("holds up"), "{output}");
}

#[tokio::test]
async fn the_same_as_json() {
    let bench = Bench::prepared().await;
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["sandbox"], true);
    assert_eq!(status["paused"], json!([]));
    assert_eq!(
        status["audit"],
        json!({"accepted": 6, "delivered": 1, "skipped": 1, "dead": 2, "pending": 2, "held": 0, "difference": 0})
    );
    let waiting = &status["backlog"][0];
    for (key, value) in [
        ("status", json!("pending")),
        ("type", json!("track")),
        ("count", json!(2)),
        ("oldest", json!("2026-11-24T15:33:20.000Z")),
    ] {
        assert_eq!(waiting[key], value, "{waiting}");
    }
    let ages = ["under_1m", "under_10m", "under_1h", "under_1d", "older"];
    let ages = ages.map(|age| waiting[age].as_i64().unwrap());
    assert_eq!(ages.iter().sum::<i64>(), 2);
    assert_eq!(status["sources"][0]["source"], "shop");
    assert!(status["flow"]["came"]["hour"].is_i64(), "{status}");
    assert_eq!(status["blocked"]["events"], 1);
    let head = &status["blocked"]["worst"][0];
    assert_eq!((&head["event"], &head["waiting"]), (&json!(5), &json!(1)));
    assert!(status["disk"]["database_bytes"].as_u64().unwrap() > 0);
    assert_eq!(status["retention"]["dead_seconds"], 90 * 24 * 3600);
    assert_eq!(status["dead"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn subscriptions_whose_answer_never_came_are_shown() {
    let bench = Bench::prepared().await;
    let output = bench.run(&["status"]).well();
    assert!(!output.contains("never answered"), "{output}");
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["unknown_subscriptions"], 0);

    bench.lose_an_answer().await;
    let output = bench.run(&["status"]).well();
    let line = output.lines().find(|line| line.contains("never answered"));
    expect!["subscriptions sent and never answered: 1; Klaviyo may have accepted them (the view `deliveries`, status = 'unknown' and kind = 'subscription')"]
        .assert_eq(line.unwrap());
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["unknown_subscriptions"], 1);
}

#[tokio::test]
async fn it_is_drawn_anew_until_it_is_interrupted() {
    let bench = Bench::prepared().await;
    let mut command = bench.command(&["status", "--watch", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut drawn = || lines.any(|line| line.unwrap() == "}").then_some(());
    drawn().expect("at once");
    drawn().expect("and again");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn colours_are_forced_by_the_environment() {
    let bench = Bench::prepared().await;
    let mut command = bench.command(&["status"]);
    command.env("CLICOLOR_FORCE", "1").stdout(Stdio::piped());
    let output = finish(command, "").well();
    let note = "\u{1b}[33mrequests go to the sandbox: NOTHING REACHES KLAVIYO\u{1b}[0m\n";
    assert!(output.starts_with(note), "{output}");
}

#[test]
fn without_an_outbox_it_names_the_path() {
    let ran = Bench::new().run(&["status"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert_eq!(
        ran.err,
        "error: there is no outbox at outbox.db; `klaviyo-relay serve` makes one, or `--config` names another\n"
    );
}
