//! A refused job: which of its items the errors name.

use std::collections::BTreeMap;

use super::{BulkJob, Load};
use crate::klaviyo::answer::read_errors;

/// Where the people of a job stand in its body.
const PEOPLE: &str = "/data/attributes/profiles/data/";

/// An item that an error names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedItem {
    /// Its place among the job's items.
    pub index: usize,
    /// Klaviyo's words on it, with the pointer into the item's own body.
    pub words: String,
}

/// The items that the errors of a refused job name, each once with the first error about it, by their places. An
/// error about an event's profile names every event that stands under it. Empty when no error names an item: then the
/// job was refused as a whole, or what answered is not Klaviyo.
pub fn named_items(job: &BulkJob, body: &[u8]) -> Vec<NamedItem> {
    let mut named = BTreeMap::new();
    for mut error in read_errors(body) {
        let Some(pointer) = error.pointer.take() else {
            continue;
        };
        let Some((places, own)) = job.at(&pointer) else {
            continue;
        };
        error.pointer = Some(own);
        for place in places {
            named.entry(place).or_insert_with(|| error.to_string());
        }
    }
    let item = |(index, words)| NamedItem { index, words };
    named.into_iter().map(item).collect()
}

impl BulkJob {
    /// The items that a pointer into the job's body is about, and the pointer into the bodies of those items.
    pub(super) fn at(&self, pointer: &str) -> Option<(Vec<usize>, String)> {
        match &self.load {
            Load::Events(events) => {
                let (places, rest) = events.at(pointer)?;
                Some((places, format!("/data{rest}")))
            }
            Load::People(people) => {
                let (place, rest) = index(pointer.strip_prefix(PEOPLE)?)?;
                let own = format!("{}{rest}", people.endpoint.single_pointer);
                (place < people.len()).then(|| (vec![place], own))
            }
        }
    }
}

/// The number that a pointer begins with, and what follows it: nothing, or the next step.
pub(super) fn index(pointer: &str) -> Option<(usize, &str)> {
    let end = pointer.find('/').unwrap_or(pointer.len());
    let (number, rest) = pointer.split_at(end);
    Some((number.parse().ok()?, rest))
}
