//! The events a sandbox holds, each once by profile, metric and `unique_id`.
//!
//! Promises that the first wins and later copies are only counted, and that past its bounds the oldest is
//! forgotten. Uses `model` for time.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::profiles::ProfileNumber;
use crate::model::Timestamp;

/// One recorded event.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Its place in the order in which events were first accepted, from 1; 0 until it is recorded.
    pub sequence: u64,
    /// Klaviyo's id of it; nil until it is recorded.
    #[serde(serialize_with = "as_text")]
    pub uuid: Uuid,
    /// The number of the request that brought it first.
    pub request: u64,
    /// How many accepted requests brought it, those whose answer was lost included.
    pub sent: u64,
    /// Whose it is.
    pub profile: ProfileNumber,
    /// What it is.
    pub metric: String,
    /// Its key, if it was given one.
    pub unique_id: Option<String>,
    /// When it happened, to the second.
    pub time: Timestamp,
    /// Its amount, digit for digit.
    pub value: Option<Box<RawValue>>,
    /// The amount's currency.
    pub value_currency: Option<String>,
    /// Whether it is recorded without starting flows.
    pub backfill: bool,
    /// The properties that count, as JSON text: compact to keep, exact to show.
    pub properties: Box<RawValue>,
    /// The properties that Klaviyo takes and ignores: 0, null and "".
    pub ignored_properties: Vec<String>,
}

fn as_text<S: serde::Serializer>(uuid: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(uuid)
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
        let unique = unique.unwrap_or_else(|| format!("second:{}", self.time));
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
    pub(crate) fn record(&mut self, mut event: Event) -> bool {
        let key = event.key();
        if let Some(first) = self.by_key.get(&key) {
            if let Some(known) = self.by_sequence.get_mut(first) {
                known.sent += 1;
            }
            self.duplicates += 1;
            return false;
        }
        self.last += 1;
        event.sequence = self.last;
        event.uuid = Uuid::from_u128(self.last.into());
        self.bytes += event.properties.get().len();
        self.by_key.insert(key, self.last);
        self.by_sequence.insert(self.last, event);
        true
    }

    /// The events after a place in the order.
    pub(crate) fn after(&self, sequence: u64) -> impl DoubleEndedIterator<Item = &Event> {
        let after = self.by_sequence.range(sequence.saturating_add(1)..);
        after.map(|(_, event)| event)
    }

    /// The events before a place in the order, newest first.
    pub(crate) fn before(&self, sequence: u64) -> impl Iterator<Item = &Event> {
        let before = self.by_sequence.range(..sequence).rev();
        before.map(|(_, event)| event)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    /// Forgets everything about one profile.
    pub(crate) fn remove_of(&mut self, profile: ProfileNumber) {
        let gone = self.after(0).filter(|event| event.profile == profile);
        let gone: Vec<u64> = gone.map(|event| event.sequence).collect();
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
            self.bytes -= event.properties.get().len();
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
