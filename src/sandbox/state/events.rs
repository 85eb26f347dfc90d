//! The events a sandbox holds, each once by profile, metric and `unique_id`.
//!
//! Promises that the first wins and later copies are only counted, and that past its bounds the oldest is
//! forgotten. Uses `model` for time.

use std::collections::{BTreeMap, HashMap};

use super::profiles::ProfileNumber;
use crate::model::Timestamp;

/// One recorded event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The request that brought it first.
    pub(crate) request: u64,
    pub(crate) profile: ProfileNumber,
    pub(crate) metric: String,
    pub(crate) unique_id: Option<String>,
    /// When it happened, to the second.
    pub(crate) at: Timestamp,
    /// The amount, as written.
    pub(crate) value: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) backfill: bool,
    /// The properties that count, as JSON text: compact to keep, exact to show.
    pub(crate) properties: String,
    /// The properties that Klaviyo takes and ignores: 0, null and "".
    pub(crate) ignored: Vec<String>,
    /// How many accepted requests brought it.
    pub(crate) sent: u64,
}

type Key = (ProfileNumber, String, String);

/// Every event, by the order in which it was first accepted.
#[derive(Debug, Default)]
pub(crate) struct Events {
    by_sequence: BTreeMap<u64, Event>,
    by_key: HashMap<Key, u64>,
    last: u64,
    bytes: usize,
    /// How many copies were dropped.
    pub(crate) duplicates: u64,
    /// How many were forgotten for want of room.
    pub(crate) forgotten: u64,
}

impl Event {
    /// Without a `unique_id` an event is one of its second.
    fn key(&self) -> Key {
        let unique = self.unique_id.clone();
        let unique = unique.unwrap_or_else(|| format!("second:{}", self.at));
        (self.profile, self.metric.clone(), unique)
    }
}

impl Events {
    /// Whether this profile already has an event of this metric and key.
    pub(crate) fn has(&self, profile: ProfileNumber, metric: &str, unique_id: &str) -> bool {
        let key = (profile, metric.to_owned(), unique_id.to_owned());
        self.by_key.contains_key(&key)
    }

    /// Records an event, or counts a copy of one; answers whether it is new.
    pub(crate) fn record(&mut self, event: Event) -> bool {
        let key = event.key();
        if let Some(first) = self.by_key.get(&key) {
            if let Some(known) = self.by_sequence.get_mut(first) {
                known.sent += 1;
            }
            self.duplicates += 1;
            return false;
        }
        self.last += 1;
        self.bytes += event.properties.len();
        self.by_key.insert(key, self.last);
        self.by_sequence.insert(self.last, event);
        true
    }

    /// The events after a place in the order, with their places.
    pub(crate) fn after(&self, sequence: u64) -> impl DoubleEndedIterator<Item = (u64, &Event)> {
        self.by_sequence
            .range(sequence.saturating_add(1)..)
            .map(|(sequence, event)| (*sequence, event))
    }

    /// The events before a place in the order, with their places, newest first.
    pub(crate) fn before(&self, sequence: u64) -> impl Iterator<Item = (u64, &Event)> {
        let before = self.by_sequence.range(..sequence).rev();
        before.map(|(sequence, event)| (*sequence, event))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    /// Forgets everything about one profile.
    pub(crate) fn remove_of(&mut self, profile: ProfileNumber) {
        let gone: Vec<u64> = self
            .after(0)
            .filter(|(_, event)| event.profile == profile)
            .map(|(sequence, _)| sequence)
            .collect();
        for sequence in gone {
            self.remove(sequence);
        }
    }

    /// Forgets the oldest until the rest fits.
    pub(crate) fn trim(&mut self, most: usize, most_bytes: usize) {
        while self.by_sequence.len() > most || self.bytes > most_bytes {
            let Some((&oldest, _)) = self.by_sequence.first_key_value() else {
                return;
            };
            self.remove(oldest);
            self.forgotten += 1;
        }
    }

    fn remove(&mut self, sequence: u64) {
        if let Some(event) = self.by_sequence.remove(&sequence) {
            self.bytes -= event.properties.len();
            self.by_key.remove(&event.key());
        }
    }
}

/// The id of a metric: as long as Klaviyo's, made of its name, so that nothing is kept for it.
pub(crate) fn metric_id(name: &str) -> String {
    use sha2::{Digest, Sha256};
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    Sha256::digest(name.as_bytes())
        .iter()
        .take(6)
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect()
}

/// The uuid of an event.
pub(crate) fn event_uuid(sequence: u64) -> String {
    uuid::Uuid::from_u128(u128::from(sequence)).to_string()
}
