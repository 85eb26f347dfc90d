//! What a sandbox holds, a page at a time, the newest entries first.
//!
//! It promises that a page copies a bounded amount, however much is held and however large it is, and that what comes
//! between two pages shifts nothing. Uses the state.

use super::Sandbox;
use super::log::Entry;
use super::options::OptIn;
use super::snapshot::{Counts, counts};
use super::state::events::Event;
use super::state::lists::{List, Membership};
use super::state::profiles::{Profile, ProfileNumber};

/// Bytes of bodies, properties or attributes after which a page ends, so that it holds at most this and one entry more.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// Entries that are looked through for a page.
const LOOKED_THROUGH: usize = 20_000;
/// Members of a list that come with it.
const FIRST_MEMBERS: usize = 5;

/// Some entries, and where to go on.
#[derive(Debug, Clone)]
pub struct Page<T, C = u64> {
    /// The entries; fewer than requested, or none, where they are large or few match; `next` is set then.
    pub entries: Vec<T>,
    /// Go on before (of lists: after) this one; `None` at the end.
    pub next: Option<C>,
}

/// A list without most of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What subscribing to it takes.
    pub opt_in_process: OptIn,
    /// How many members there are.
    pub members: usize,
    /// The five newest members.
    pub newest: Vec<(ProfileNumber, Membership)>,
}

impl Sandbox {
    /// How much of everything there is.
    pub fn counts(&self) -> Counts {
        counts(&self.inner.lock())
    }

    /// Requests with a number below `before`, the newest first.
    pub fn requests(&self, before: Option<u64>, most: usize) -> Page<Entry> {
        let state = self.inner.lock();
        let entries = state.log.before(before.unwrap_or(u64::MAX));
        page(most, entries, |entry| {
            (entry.number, Some((entry.clone(), entry.body.get().len())))
        })
    }

    /// Events before a place in the order in which they were first accepted, the newest first; with `profile` only
    /// those of the profile with this id at Klaviyo.
    pub fn events(&self, profile: Option<&str>, before: Option<u64>, most: usize) -> Page<Event> {
        let state = self.inner.lock();
        let of = match profile.map(ProfileNumber::of) {
            Some(None) => return Page::nothing(),
            Some(of) => of,
            None => None,
        };
        let entries = state.events.before(before.unwrap_or(u64::MAX));
        page(most, entries, |event| {
            let meant = of.is_none_or(|of| event.profile == of);
            let shown = meant.then(|| (event.clone(), event.properties.get().len()));
            (event.sequence, shown)
        })
    }

    /// Profiles made before the one of this number, the newest first.
    pub fn profiles(&self, before: Option<u64>, most: usize) -> Page<Profile> {
        let state = self.inner.lock();
        let entries = state.profiles.before(before.unwrap_or(u64::MAX));
        page(most, entries, |profile| {
            (profile.id.number(), Some((profile.clone(), profile.bytes())))
        })
    }

    /// The profiles on a list, as [`Sandbox::profiles`]; none when there is no such list.
    pub fn members(&self, list: &str, before: Option<u64>, most: usize) -> Page<Profile> {
        let state = self.inner.lock();
        let Some(list) = state.lists.get(list) else {
            return Page::nothing();
        };
        let entries = list.members_before(before.unwrap_or(u64::MAX));
        page(most, entries, |(number, _)| {
            let profile = state.profiles.get(number);
            let shown = profile.map(|profile| (profile.clone(), profile.bytes()));
            (number.number(), shown)
        })
    }

    /// The profile with this id at Klaviyo.
    pub fn profile(&self, id: &str) -> Option<Profile> {
        let state = self.inner.lock();
        state.profiles.get(ProfileNumber::of(id)?).cloned()
    }

    /// Lists behind `after`, in the order of their ids.
    pub fn lists(&self, after: Option<&str>, most: usize) -> Page<ListPage, String> {
        let state = self.inner.lock();
        page(most, state.lists.after(after), |list| {
            (list.id.clone(), Some((ListPage::of(list), 0)))
        })
    }
}

impl<T, C> Page<T, C> {
    const fn nothing() -> Self {
        Self {
            entries: Vec::new(),
            next: None,
        }
    }
}

impl ListPage {
    fn of(list: &List) -> Self {
        Self {
            id: list.id.clone(),
            name: list.name.clone(),
            opt_in_process: list.opt_in_process,
            members: list.members.len(),
            newest: list.members_before(u64::MAX).take(FIRST_MEMBERS).collect(),
        }
    }
}

/// The first of these entries: `look` gives the place of each, and what is shown of it and its bytes if it is meant.
fn page<E, T, C>(
    most: usize,
    entries: impl Iterator<Item = E>,
    look: impl Fn(E) -> (C, Option<(T, usize)>),
) -> Page<T, C> {
    let mut page = Page::nothing();
    let (mut bytes, mut last) = (0, None);
    for (looked_at, entry) in entries.enumerate() {
        if page.entries.len() >= most || bytes > MOST_BYTES || looked_at >= LOOKED_THROUGH {
            page.next = last;
            break;
        }
        let (place, shown) = look(entry);
        last = Some(place);
        if let Some((shown, size)) = shown {
            page.entries.push(shown);
            bytes += size;
        }
    }
    page
}
