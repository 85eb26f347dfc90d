//! Filters that select events.

use std::collections::HashSet;

use crate::model::{EventId, EventStatus, EventType, Timestamp};
use crate::outbox::{Brief, ReadError, Reader, Selection};

/// How many of the selected events are shown.
pub const SHOWN: u32 = 10;

/// The filters; an event must match all that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// With one of these numbers; empty for any.
    pub ids: Vec<i64>,
    /// In this state.
    pub status: Option<EventStatus>,
    /// Calls of this type.
    pub kind: Option<EventType>,
    /// Tracks, pages and screens of this name, or calls of this type.
    pub event: Option<String>,
    /// About this person: an id of any kind; `user:ID` is exact.
    pub profile: Option<String>,
    /// Naming this order: `#1001` is 1001.
    pub order_id: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// Sent to this destination: `sandbox`, or `klaviyo:` and the account.
    pub sent_to: Option<String>,
    /// With this text in their reason.
    pub reason: Option<String>,
    /// With a reason of this code.
    pub code: Option<String>,
}

/// The selected events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// All of them, in their order of arrival.
    pub events: Vec<EventId>,
    /// The first ten, as they were when they were found.
    pub first: Vec<Brief>,
    /// Requested numbers that are not among them.
    pub missing: Vec<i64>,
}

impl Filter {
    /// Whether any filter is set.
    pub fn is_given(&self) -> bool {
        let texts = [
            &self.event,
            &self.profile,
            &self.order_id,
            &self.source,
            &self.sent_to,
            &self.reason,
            &self.code,
        ];
        !self.ids.is_empty()
            || self.status.is_some()
            || self.kind.is_some()
            || self.since.or(self.until).is_some()
            || texts.iter().any(|text| text.is_some())
    }

    /// Whether the value for a person cannot name anybody, such as an empty one.
    pub fn names_nobody(&self) -> bool {
        let profile = self.profile.as_deref();
        profile.is_some_and(|word| Selection::people(word).is_empty())
    }

    /// Whether the value for an order cannot name any, such as a blank.
    pub fn names_no_order(&self) -> bool {
        let order = self.order_id.as_deref();
        order.is_some_and(|word| Selection::orders(word).is_empty())
    }

    /// The filters as the outbox takes them. Without a state filter they select events in one of `workable`.
    pub fn selection(&self, workable: &[EventStatus]) -> Selection {
        let profile = self.profile.as_deref();
        let order = self.order_id.as_deref();
        Selection {
            ids: self.ids.iter().copied().map(EventId).collect(),
            states: match self.status {
                Some(status) => vec![status],
                None => workable.to_vec(),
            },
            kind: self.kind,
            event: self.event.clone(),
            profile: profile.map(Selection::people).unwrap_or_default(),
            order: order.map(Selection::orders).unwrap_or_default(),
            source: self.source.clone(),
            since: self.since,
            until: self.until,
            sent_to: self.sent_to.clone(),
            reason: self.reason.clone(),
            code: self.code.clone(),
            in_flight: false,
            kept: false,
        }
    }

    /// Finds the matching events that are in one of `states`.
    pub async fn find(&self, outbox: &Reader, states: &[EventStatus]) -> Result<Matches, ReadError> {
        // An event whose call was deleted cannot be sent; the call of a waiting event is always stored.
        let selection = Selection {
            kept: true,
            ..self.selection(states)
        };
        let events = outbox.select(&selection).await?;
        let first: Vec<EventId> = events.iter().take(SHOWN as usize).copied().collect();
        let shown = u32::try_from(first.len()).unwrap_or(u32::MAX);
        let first = if first.is_empty() {
            Vec::new()
        } else {
            outbox.briefs(&Selection::of(first), shown).await?
        };
        let known: HashSet<&EventId> = events.iter().collect();
        let missing = self.ids.iter().filter(|id| !known.contains(&EventId(**id)));
        Ok(Matches {
            missing: missing.copied().collect(),
            events,
            first,
        })
    }
}

impl Matches {
    /// Keeps only changed events and excludes the others: they were sent or finished in the meantime.
    pub(super) fn keep(&mut self, changed: &[EventId]) {
        let changed: HashSet<&EventId> = changed.iter().collect();
        let left = self.events.iter().filter(|event| !changed.contains(event));
        let left: Vec<EventId> = left.copied().collect();
        self.leave_out(&left);
    }

    /// Excludes events from the result and adds them to `missing`.
    pub(super) fn leave_out(&mut self, events: &[EventId]) {
        let events: HashSet<EventId> = events.iter().copied().collect();
        self.events.retain(|event| !events.contains(event));
        self.first.retain(|brief| !events.contains(&brief.id));
        let mut missing: Vec<i64> = events.iter().map(|event| event.0).collect();
        missing.sort_unstable();
        self.missing.extend(missing);
    }
}
