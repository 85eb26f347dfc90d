//! The last line of `cargo test`: how many tests were skipped, and what the machine lacks for them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    // A tool that lists the tests finds none here.
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    // Each line is a test and what it needs: see `require` in tests/it/support.
    let skipped = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let lines = fs::read_to_string(&skipped).unwrap_or_default();
    drop(fs::remove_file(skipped));
    let skips: BTreeSet<(&str, &str)> = lines.lines().filter_map(|line| line.split_once(": ")).collect();
    let tests: BTreeSet<&str> = skips.iter().map(|(test, _)| *test).collect();
    let needs: BTreeSet<&str> = skips.iter().map(|(_, need)| *need).collect();
    let needs: Vec<&str> = needs.into_iter().collect();
    let mut stdout = std::io::stdout();
    match tests.len() {
        0 => writeln!(stdout, "no test was skipped"),
        tests => writeln!(
            stdout,
            "{tests} tests were skipped; this machine lacks {}",
            needs.join(", ")
        ),
    }
}
