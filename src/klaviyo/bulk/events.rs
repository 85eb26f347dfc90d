//! The events of a job, grouped by the profile they name.
//!
//! Promises that the events of one person stand in the order they were added: Klaviyo does not document the order in
//! which it works through a job, so the body at least has the right one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::DoesNotFit;
use super::item::EventItem;
use super::names::Name;
use crate::klaviyo::limits::{MAX_BULK_EVENTS, MAX_JOB_BYTES};

const HEAD: &str = r#"{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":["#;
const TAIL: &str = "]}}}}";
const GROUP_HEAD: &str = r#"{"type":"event-bulk-create","attributes":{"profile":"#;
const GROUP_EVENTS: &str = r#","events":{"data":["#;
const GROUP_TAIL: &str = "]}}}";

/// The events of a job.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    groups: Vec<Group>,
    len: usize,
    bytes: usize,
    /// The last group that is about somebody of this name.
    latest: HashMap<Name, usize>,
    keys: HashSet<(String, String)>,
}

/// Events that name one profile, by the same text; at least one.
#[derive(Debug, Clone, Default)]
struct Group {
    events: Vec<Arc<EventItem>>,
    /// The place of each event among the job's items.
    places: Vec<usize>,
}

impl Group {
    /// The profile that all its events name.
    fn profile(&self) -> &str {
        self.events.first().map_or("", |event| &event.profile)
    }

    fn text(&self) -> String {
        let events: Vec<&str> = self.events.iter().map(|item| &*item.event).collect();
        let events = events.join(",");
        [GROUP_HEAD, self.profile(), GROUP_EVENTS, &events, GROUP_TAIL].concat()
    }
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            bytes: HEAD.len() + TAIL.len(),
            ..Self::default()
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, item: &Arc<EventItem>) -> Result<usize, DoesNotFit> {
        if self.len == MAX_BULK_EVENTS {
            return Err(DoesNotFit::Full);
        }
        // Klaviyo refuses a job that repeats a key of one person; which events are of one person to Klaviyo cannot be
        // known here.
        if self.keys.contains(&item.key) {
            return Err(DoesNotFit::OtherJob);
        }
        let group = self.group_for(item);
        let comma = usize::from(self.len > 0);
        let frame = match group {
            Some(_) => 0,
            None => GROUP_HEAD.len() + item.profile.len() + GROUP_EVENTS.len() + GROUP_TAIL.len(),
        };
        let bytes = self.bytes + comma + frame + item.event.len();
        if bytes > MAX_JOB_BYTES {
            return Err(DoesNotFit::Full);
        }
        self.bytes = bytes;
        Ok(self.put(item, group))
    }

    /// The group that the event may join: the last one about this person, if it names the person by the same profile.
    /// An earlier one would put the event before others of the same person.
    fn group_for(&self, item: &EventItem) -> Option<usize> {
        let groups = item.names.iter().filter_map(|name| self.latest.get(name));
        let last = *groups.max()?;
        (self.groups[last].profile() == item.profile).then_some(last)
    }

    fn put(&mut self, item: &Arc<EventItem>, group: Option<usize>) -> usize {
        let at = group.unwrap_or(self.groups.len());
        if group.is_none() {
            self.groups.push(Group::default());
        }
        let place = self.len;
        self.groups[at].events.push(Arc::clone(item));
        self.groups[at].places.push(place);
        for name in &item.names {
            self.latest.insert(name.clone(), at);
        }
        self.keys.insert(item.key.clone());
        self.len += 1;
        place
    }

    /// The items that a place in the body is about, and the rest of the pointer: `<group>…`, or
    /// `<group>/attributes/events/data/<event>…` for a single one.
    pub(super) fn at<'a>(&self, pointer: &'a str) -> Option<(Vec<usize>, &'a str)> {
        let pointer = pointer.strip_prefix("/data/attributes/events-bulk-create/data/")?;
        let (group, rest) = super::refusal::index(pointer)?;
        let places = &self.groups.get(group)?.places;
        match rest.strip_prefix("/attributes/events/data/") {
            None => Some((places.clone(), rest)),
            Some(event) => {
                let (event, rest) = super::refusal::index(event)?;
                Some((vec![*places.get(event)?], rest))
            }
        }
    }

    pub(super) fn body(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(Group::text).collect();
        [HEAD, &groups.join(","), TAIL].concat()
    }
}
