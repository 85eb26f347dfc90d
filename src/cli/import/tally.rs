//! The result of an import: counts, and the problems by line.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::screen::Screen;

/// Problems that are kept for the report at the end.
const SHOWN: usize = 10;

/// The problem of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) file: String,
    pub(super) line: u64,
    /// Never contains text of the line.
    pub(super) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// The result of an import, or the expected result.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Lines read, without those that were imported before.
    pub(super) lines: u64,
    /// Lines that earlier runs imported.
    pub(super) skipped: u64,
    /// Events, without dead ones.
    pub(super) stored: u64,
    pub(super) dead: u64,
    /// Events whose message id was already stored.
    pub(super) known: u64,
    /// Lines that are not JSON, and files with a read error.
    pub(super) unreadable: u64,
    /// The first ones.
    problems: Vec<Problem>,
    /// Hashes of the message ids, for a dry run, which stores none.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Tally {
    pub(super) fn note(&mut self, problem: &Problem) {
        if self.problems.len() < SHOWN {
            self.problems.push(problem.clone());
        }
    }

    /// Whether a dry run sees this message id for the first time.
    pub(super) fn is_new(&mut self, message_id: &str) -> bool {
        self.seen.insert(self.hasher.hash_one(message_id))
    }

    pub(super) fn write(&self, screen: &mut Screen, dry_run: bool) {
        let (stored, kept) = if dry_run {
            ("would be stored", "would be kept as dead")
        } else {
            ("stored", "kept as dead")
        };
        let mut parts = vec![format!("{} {stored}", self.stored)];
        for (count, words) in [
            (self.dead, kept),
            (self.known, "known before"),
            (self.unreadable, "unreadable"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        screen.put(format_args!("{} lines: {}", self.lines, parts.join(", ")));
        if self.skipped > 0 {
            let skipped = self.skipped;
            screen.put(format_args!("; {skipped} lines imported before were skipped"));
        }
        screen.end();
        if dry_run {
            for problem in &self.problems {
                screen.line(format_args!("  {problem}"));
            }
        }
    }

    pub(super) fn json(&self, dry_run: bool, interrupted: bool) -> Value {
        json!({
            "dry_run": dry_run, "interrupted": interrupted, "lines": self.lines, "skipped": self.skipped,
            "stored": self.stored, "dead": self.dead, "known": self.known, "unreadable": self.unreadable,
            "problems": self.problems,
        })
    }
}
