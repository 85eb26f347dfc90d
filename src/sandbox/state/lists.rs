//! The lists of a sandbox's account and their members.
//!
//! Promises that an account with given lists has no others, and that one with any list makes a bounded number.
//! Uses `model` for time.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::profiles::ProfileNumber;
use crate::model::{Timestamp, words};
use crate::sandbox::options::{AccountLists, ListOption, OptIn};

/// More lists than this are not made on first use.
const MOST_LISTS: usize = 10_000;

/// One list.
#[derive(Debug, Clone, Serialize)]
pub struct List {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What subscribing to it takes.
    pub opt_in_process: OptIn,
    /// Its members, those included who have not confirmed yet.
    #[serde(serialize_with = "as_array")]
    pub members: BTreeMap<ProfileNumber, Membership>,
    #[serde(skip)]
    pub(crate) created: Timestamp,
}

fn as_array<S: Serializer>(members: &BTreeMap<ProfileNumber, Membership>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        members
            .iter()
            .map(|(profile, state)| json!({ "profile": profile, "state": state })),
    )
}

words! {
    /// How a profile is on a list.
    Membership {
        /// Put there as a member; consent is another matter.
        Added = "added",
        /// Subscribed.
        Subscribed = "subscribed",
        /// Has to confirm: not on the list yet.
        AwaitingConfirmation = "awaiting_confirmation",
    }
}

impl List {
    fn new(id: &str, name: String, opt_in_process: OptIn, created: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            name,
            opt_in_process,
            members: BTreeMap::new(),
            created,
        }
    }

    /// Its members of those made before the profile of this number, newest first.
    pub(crate) fn members_before(&self, number: u64) -> impl Iterator<Item = (ProfileNumber, Membership)> {
        let before = self.members.range(..ProfileNumber::at(number)).rev();
        before.map(|(member, how)| (*member, *how))
    }
}

/// Every list, by id.
#[derive(Debug)]
pub(crate) struct Lists {
    by_id: BTreeMap<String, List>,
    /// The opt-in of a list made on first use; `None` when only the given ones exist.
    open: Option<OptIn>,
}

impl Lists {
    /// The lists an account starts with.
    pub(crate) fn new(account: &AccountLists, now: Timestamp) -> Self {
        let list = |given: &ListOption| List::new(&given.id, given.name.clone(), given.opt_in, now);
        match account {
            AccountLists::Any(opt_in) => Self {
                by_id: BTreeMap::new(),
                open: Some(*opt_in),
            },
            AccountLists::Only(lists) => Self {
                by_id: lists.iter().map(|given| (given.id.clone(), list(given))).collect(),
                open: None,
            },
        }
    }

    /// The opt-in where no list sets one.
    pub(crate) fn opt_in(&self) -> OptIn {
        self.open.unwrap_or(OptIn::Double)
    }

    /// Whether an id names a list, or would on its first use.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.by_id.contains_key(id) || (self.open.is_some() && self.by_id.len() < MOST_LISTS)
    }

    /// The list with this id, made now when any id names one.
    pub(crate) fn get_mut(&mut self, id: &str, now: Timestamp) -> Option<&mut List> {
        if !self.knows(id) {
            return None;
        }
        let opt_in = self.opt_in();
        let list = self.by_id.entry(id.to_owned());
        Some(list.or_insert_with(|| List::new(id, format!("List {id}"), opt_in, now)))
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &List> {
        self.by_id.values()
    }

    /// The list with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&List> {
        self.by_id.get(id)
    }

    /// The lists behind this id in the order of ids; all of them without one.
    pub(crate) fn after(&self, id: Option<&str>) -> impl Iterator<Item = &List> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.by_id.range::<str, _>((from, Bound::Unbounded));
        behind.map(|(_, list)| list)
    }

    /// Takes a person off every list.
    pub(crate) fn remove_profile(&mut self, profile: ProfileNumber) {
        for list in self.by_id.values_mut() {
            list.members.remove(&profile);
        }
    }
}
