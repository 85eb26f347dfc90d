//! The request log: every request that came, what was answered, and what became of it.
//!
//! Promises that the newest are kept when room runs out, and that the dropped are counted. It keeps bodies, never headers: no key gets into it. Uses `model` for time.

use std::collections::{HashMap, VecDeque};

use axum::body::Bytes;
use serde_json::Value;

use super::options::Keep;
use crate::model::{Timestamp, words};

words! {
    /// What became of a request.
    Outcome {
        /// It changed what the account holds.
        Stored = "stored",
        /// Its event had come before.
        Duplicate = "duplicate",
        /// It was answered as accepted, and nothing was kept: what Klaviyo does with test domains and unknown ids.
        Dropped = "dropped",
        /// It asked for something.
        Read = "read",
        /// It was refused.
        Refused = "refused",
        /// A fault was played, and the request never reached the account.
        Fault = "fault",
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place in the order of arrival, from 1.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The revision it asked for.
    pub(crate) revision: Option<String>,
    /// The status that was answered; none when nothing was.
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Outcome,
    /// The fault that was played.
    pub(crate) fault: Option<String>,
    pub(crate) metric: Option<String>,
    pub(crate) unique_id: Option<String>,
    /// The profile it was about, by Klaviyo's id.
    pub(crate) profile: Option<String>,
    /// Why it was refused or dropped, or how its parts fared.
    pub(crate) note: Option<String>,
    pub(crate) body: Bytes,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
    last: u64,
    keep: Keep,
    /// How many requests were dropped from the log.
    pub(crate) dropped: u64,
    outcomes: HashMap<Outcome, u64>,
}

impl Log {
    /// An empty log with its bounds.
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            last: 0,
            keep,
            dropped: 0,
            outcomes: HashMap::new(),
        }
    }

    /// The number of the next request.
    pub(crate) const fn next(&self) -> u64 {
        self.last + 1
    }

    /// Enters the next request.
    pub(crate) fn enter(&mut self, entry: Entry) {
        self.last = entry.number;
        *self.outcomes.entry(entry.outcome).or_default() += 1;
        self.bytes += entry.body.len();
        self.entries.push_back(entry);
        // The newest stays, however large it is.
        while self.entries.len() > 1
            && (self.entries.len() > self.keep.requests || self.bytes > self.keep.request_bytes)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.body.len();
                self.dropped += 1;
            }
        }
    }

    /// The kept requests after a number, oldest first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &Entry> {
        let skipped = self.entries.partition_point(|entry| entry.number <= number);
        self.entries.range(skipped..)
    }

    /// The kept requests before a number, newest first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = &Entry> {
        let kept = self.entries.partition_point(|entry| entry.number < number);
        self.entries.range(..kept).rev()
    }

    /// How many requests came.
    pub(crate) const fn total(&self) -> u64 {
        self.last
    }

    /// How many requests had this outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }
}

/// The metric and `unique_id` of a single event's document, whether or not the rest of it is right.
pub(crate) fn event_of(document: &Value) -> (Option<String>, Option<String>) {
    let text = |pointer: &str| document.pointer(pointer)?.as_str().map(str::to_owned);
    (
        text("/data/attributes/metric/data/attributes/name"),
        text("/data/attributes/unique_id"),
    )
}
