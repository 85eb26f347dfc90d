//! What a sandbox holds, for tests and for `demo` to print; and its counts, which `/sandbox` shows too.

use std::collections::BTreeMap;

use serde::Serialize;

use super::log::Outcome;
use super::state::State;
use super::state::events::Event;
use super::state::lists::List;
use super::state::profiles::Profile;

/// What a sandbox holds, and the requests it got.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// How much of everything.
    pub counts: Counts,
    /// Oldest first.
    pub profiles: Vec<Profile>,
    /// In the order in which they were first accepted.
    pub events: Vec<Event>,
    /// By id.
    pub lists: Vec<List>,
}

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests to Klaviyo's paths; those to the sandbox's own are not counted.
    pub requests: u64,
    /// Requests by what became of them: `stored`, `duplicate`, `dropped`, `read`, `refused`, `fault`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Requests that left the log for want of room.
    pub requests_dropped: u64,
    /// Profiles held.
    pub profiles: usize,
    /// Profiles forgotten for want of room.
    pub profiles_forgotten: u64,
    /// Events held.
    pub events: usize,
    /// Copies of events that were dropped as Klaviyo drops them, single and in bulk.
    pub duplicate_events: u64,
    /// Events forgotten for want of room.
    pub events_forgotten: u64,
    /// Lists held.
    pub lists: usize,
}

impl Snapshot {
    /// Everything held at this moment.
    pub(super) fn of(state: &State) -> Self {
        Self {
            counts: counts(state),
            profiles: state.profiles.iter().cloned().collect(),
            events: state.events.after(0).cloned().collect(),
            lists: state.lists.iter().cloned().collect(),
        }
    }
}

pub(super) fn counts(state: &State) -> Counts {
    Counts {
        requests: state.log.total(),
        outcomes: Outcome::ALL
            .iter()
            .map(|outcome| (outcome.word(), state.log.count(*outcome)))
            .collect(),
        requests_dropped: state.log.dropped,
        profiles: state.profiles.len(),
        profiles_forgotten: state.profiles.forgotten,
        events: state.events.len(),
        duplicate_events: state.events.duplicates,
        events_forgotten: state.events.forgotten,
        lists: state.lists.iter().len(),
    }
}
