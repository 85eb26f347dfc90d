//! The request log: every request that came, what was answered, and what became of it.
//!
//! Promises that the newest are kept when room runs out, and that the dropped are counted. It keeps bodies, never
//! headers: no key gets into it. Uses `model` for time.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

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
        /// It reads and changes nothing.
        Read = "read",
        /// It was refused.
        Refused = "refused",
        /// A fault was played, and the request never reached the account.
        Fault = "fault",
    }
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its place in the order of arrival, from 1.
    pub number: u64,
    /// When it came.
    pub time: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// The revision that it requested.
    pub revision: Option<String>,
    /// The status the client got to see, if any.
    pub status: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
    /// The fault that was played.
    pub fault: Option<String>,
    /// The metric of a single event.
    pub metric: Option<String>,
    /// The key of a single event.
    pub unique_id: Option<String>,
    /// The profile it was about, by Klaviyo's id.
    pub profile: Option<String>,
    /// Why it was refused or dropped, or how its parts fared.
    pub note: Option<String>,
    /// The body: see [`body`].
    pub body: Box<RawValue>,
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
        self.bytes += entry.body.get().len();
        self.entries.push_back(entry);
        // The newest stays, however large it is.
        while self.entries.len() > 1
            && (self.entries.len() > self.keep.requests || self.bytes > self.keep.request_bytes)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.body.get().len();
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

/// A request's body, byte for byte when it is JSON, else as a string; null when there is none.
pub(crate) fn body(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes);
    let json = if text.is_empty() {
        Ok(RawValue::NULL.to_owned())
    } else {
        RawValue::from_string(text.to_string()).or_else(|_| to_raw_value(&text))
    };
    json.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The metric and `unique_id` of a single event's document, whether or not the rest of it is right.
pub(crate) fn event_of(document: &Value) -> (Option<String>, Option<String>) {
    let text = |pointer: &str| document.pointer(pointer)?.as_str().map(str::to_owned);
    (
        text("/data/attributes/metric/data/attributes/name"),
        text("/data/attributes/unique_id"),
    )
}
