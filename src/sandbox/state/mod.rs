//! Everything a sandbox remembers, behind one lock: what it holds for the account, and the requests it got.
//!
//! Promises bounds on all of it. Uses `model` for time and the sandbox's own options.

pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod lists;
mod merge;
pub(crate) mod profiles;

use serde_json::{Map, Value};

use super::faults::Faults;
use super::log::Log;
use super::options::{Keep, Options};
use super::rate_limit::Windows;
use super::script::Scripts;
use crate::model::Timestamp;
use events::Events;
use jobs::Jobs;
use lists::Lists;
use profiles::{Names, Nulls, ProfileNumber, Profiles};

/// A sandbox's memory.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) profiles: Profiles,
    pub(crate) events: Events,
    pub(crate) lists: Lists,
    pub(crate) jobs: Jobs,
    pub(crate) windows: Windows,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) scripts: Scripts,
}

impl State {
    /// An empty account.
    pub(crate) fn new(options: &Options, now: Timestamp) -> Self {
        Self {
            profiles: Profiles::default(),
            events: Events::default(),
            lists: Lists::new(&options.lists, now),
            jobs: Jobs::default(),
            windows: Windows::default(),
            log: Log::new(options.keep),
            faults: Faults::default(),
            scripts: Scripts::default(),
        }
    }

    /// Changes a profile by a document that replaces its identifiers (`profile-import`, bulk import).
    pub(crate) fn import(&mut self, number: ProfileNumber, document: &Value, nulls: Nulls, now: Timestamp) {
        let names = Names::of(document);
        if nulls == Nulls::Clear {
            for name in &names.cleared {
                self.profiles.unname(number, name);
            }
        }
        for (name, value) in &names.given {
            self.profiles.rename(number, name, value);
        }
        self.merge(number, document, nulls, now);
    }

    /// Changes a profile by the person of an event: identifiers are added and never replaced.
    pub(crate) fn note_person(&mut self, number: ProfileNumber, document: &Value, now: Timestamp) {
        self.add_names(number, &Names::of(document));
        self.merge(number, document, Nulls::Ignore, now);
    }

    /// Gives a profile those of the names of which it has none.
    pub(crate) fn add_names(&mut self, number: ProfileNumber, names: &Names) {
        for (name, value) in &names.given {
            let held = self.profiles.get(number);
            if held.is_some_and(|held| !held.identifiers.contains_key(name)) {
                self.profiles.rename(number, name, value);
            }
        }
    }

    fn merge(&mut self, number: ProfileNumber, document: &Value, nulls: Nulls, now: Timestamp) {
        let empty = Map::new();
        let attributes = document.get("attributes").and_then(Value::as_object).unwrap_or(&empty);
        self.profiles.change(number, now, |profile| {
            profile.merge(attributes, nulls);
            let metas = [document.get("meta"), attributes.get("meta")];
            for meta in metas.into_iter().flatten() {
                profile.patch(meta);
            }
        });
    }

    /// Erases a person and all that is known of them.
    pub(crate) fn erase(&mut self, number: ProfileNumber) -> bool {
        self.events.remove_of(number);
        self.lists.remove_profile(number);
        self.profiles.remove(number)
    }

    /// Forgets the oldest of what does not fit. A forgotten profile's events stay.
    pub(crate) fn trim(&mut self, keep: Keep) {
        self.events.trim(keep.events, keep.event_bytes);
        while let Some(oldest) = self.profiles.surplus(keep.profiles, keep.profile_bytes) {
            self.lists.remove_profile(oldest);
            self.profiles.remove(oldest);
            self.profiles.forgotten += 1;
        }
    }
}
