//! `demo`: the first thing that anybody runs.

use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::process::Command;

use super::{Bench, Ran};
use crate::docs::Page;

#[test]
fn the_demonstration_prints_every_request_and_how_to_look_further() {
    let bench = Bench::new();
    let ran = bench.run(&["demo"]);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{ran:?}");
    let rows = rows(&ran);
    let of_the_order: Vec<&str> = rows["4 track Order Completed"]
        .iter()
        .map(|cells| cells[1].as_str())
        .collect();
    assert_eq!(
        of_the_order,
        [
            "50314b8e9bcf000000000000",
            "50314b8e9bcf000000000000_507f1f77bcf86cd799439011",
            "50314b8e9bcf000000000000_505bd76785ebb509fc183733"
        ]
    );
    assert_eq!(rows.len(), 6, "the message that was sent twice is stored once");
    assert_eq!(rows.values().flatten().count(), 9, "{rows:?}");
    for cells in rows.values().flatten() {
        assert!(cells.iter().any(|cell| cell == "delivered"), "{cells:?}");
    }
    assert_eq!(
        rows["3 track Item Added"][0].last().unwrap(),
        "2",
        "its first attempt fails on purpose"
    );
    for line in [
        "  event    Placed Order  value 25  unique_id 50314b8e9bcf000000000000\n",
        "  event    Ordered Product  value 19  unique_id 50314b8e9bcf000000000000_507f1f77bcf86cd799439011\n",
        "  event    Ordered Product  value 6  unique_id 50314b8e9bcf000000000000_505bd76785ebb509fc183733\n",
        "  event    Item Added  value null  unique_id demo-3\n",
        "  profile  {\"external_id\":\"user123\"} ",
        "\"email\":\"swilliams@sportstech.com\"",
    ] {
        assert!(ran.out.contains(line), "{line}{}", ran.out);
    }
    readme_shows(&ran);
    hints_work(&ran);
}

/// What README.md shows of it is what it prints, some rows left out and long words cut by `…`.
fn readme_shows(ran: &Ran) {
    let blocks = Page::read("README.md").blocks("text");
    let shown = blocks.iter().find(|block| block.starts_with("event ")).unwrap();
    let mut printed = ran.out.lines();
    for line in shown.lines() {
        assert!(
            printed.any(|printed| is_short_for(line, printed)),
            "not printed: {line}\n{}",
            ran.out
        );
    }
}

fn is_short_for(shown: &str, printed: &str) -> bool {
    let same = |(shown, printed): (&str, &str)| {
        let mut rest = printed;
        let parts = shown.split('…').all(|part| match rest.split_once(part) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        });
        shown == printed || (shown.contains('…') && parts)
    };
    let words = |line: &str| line.split_whitespace().count();
    words(shown) == words(printed) && shown.split_whitespace().zip(printed.split_whitespace()).all(same)
}

/// The cells of each request after its path, by event.
fn rows(ran: &Ran) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut rows: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut event = String::new();
    for line in ran.out.lines().skip(1).take_while(|line| !line.is_empty()) {
        let (head, request) = line.split_at(line.find("/api/").expect("every event owes one"));
        if !head.trim().is_empty() {
            head.trim().clone_into(&mut event);
        }
        let cells = request.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        let cells = cells.map(str::to_owned).skip(1).collect();
        rows.entry(event.clone()).or_default().push(cells);
    }
    rows
}

/// Every printed `sqlite3` command answers.
#[expect(clippy::print_stdout, reason = "the output of the test shows what was left out")]
fn hints_work(ran: &Ran) {
    let hints: Vec<&str> = ran
        .out
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("sqlite3 "))
        .collect();
    assert_eq!(hints.len(), 3);
    match Command::new("sqlite3").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let required = env::var("RELAY_TESTS_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!required, "the command sqlite3 is not there");
            println!("skipped: the command sqlite3 is not there, so the printed hints were not tried");
            return;
        }
        version => drop(version.unwrap()),
    }
    let expected = [
        "│ 4  │ track    │ Order Completed │ user:019mr8mf4r │ delivered │ 3          │",
        "│ 4        │ event        │ Placed Order    │ 50314b8e9bcf000000000000 ",
        "│ 6        │ 6         │ 0       │ 0    │ 0       │ 0    │ 0          │",
    ];
    for (hint, row) in hints.iter().zip(expected) {
        // As a person would, in a shell.
        let output = Command::new("sh").arg("-c").arg(hint).output().unwrap();
        let body = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{hint}");
        assert!(body.contains(row), "{hint}\n{body}");
    }
}
