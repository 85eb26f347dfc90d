//! What the fuzz targets try is tried here too, without libFuzzer: each file of their corpora, and each former finding.

#[path = "../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "these files are a crate as well, whose programs count memory"
)]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// Tries every file of a target's corpus and findings; a panic names the file.
fn replay(name: &str, target: fn(&[u8])) {
    let mut files = files(name, "corpus");
    assert!(files.len() >= 10, "only {} files of {name}", files.len());
    files.extend(self::files(name, "findings"));
    for file in files {
        let input = fs::read(&file).unwrap();
        let tried = std::panic::catch_unwind(|| target(&input));
        assert!(tried.is_ok(), "{}", file.display());
    }
}

/// The files of a target below a folder, which need not have any.
fn files(name: &str, folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let Ok(entries) = fs::read_dir(root.join(folder).join(name)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn klaviyos_answers_have_their_outcomes() {
    replay("answer", targets::answer::target);
}

#[test]
fn configurations_are_read_or_refused_without_their_secrets() {
    replay("config", targets::config::target);
}

#[test]
fn filters_mean_the_same_wherever_they_are_written() {
    replay("filter", targets::filter::target);
}

#[test]
fn requests_become_the_calls_that_they_hold() {
    replay("ingest", targets::ingest::target);
}

#[test]
fn calls_become_requests_within_klaviyos_limits() {
    replay("mapping", targets::mapping::target);
}
