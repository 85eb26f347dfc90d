//! What the relay asks the outbox to write down, and what it hears back.

use std::time::Duration;

use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, Family, Outcome, Timestamp};

/// A request that an event owes, as mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDelivery {
    /// What it asks of Klaviyo.
    pub kind: DeliveryKind,
    /// The metric's name, of an event.
    pub metric: Option<String>,
    /// The `$event_id`, of an event.
    pub event_key: Option<String>,
    /// The list, of a subscription or a list change.
    pub list_id: Option<String>,
    /// The body, frozen from here on; `None` where it needs the answer to an earlier request.
    pub request: Option<String>,
    /// Why it will never be sent.
    pub refused: Option<String>,
    /// What Klaviyo will take and then ignore, and the like.
    pub warnings: Vec<String>,
}

/// An attempt about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Where it goes: the sandbox or a Klaviyo account.
    pub sent_to: String,
    /// The body, where it was not frozen before.
    pub request: Option<String>,
    /// The time.
    pub now: Timestamp,
}

/// Whether the attempt may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is written down, under this number: send.
    Go {
        /// Counts the delivery's attempts, from 1.
        attempt: i64,
    },
    /// It was delivered before; the delivery is settled as `duplicate`, nothing is to be sent.
    Duplicate(Copied),
    /// Not now: another delivery with this `$event_id` is not finished; or the event was held, discarded or taken
    /// once more since it was taken.
    Busy,
}

/// What a request is a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The event that it was delivered for: another, or this one in an earlier generation.
    pub event: EventId,
    /// The id that Klaviyo answered for the profile then.
    pub profile_id: Option<String>,
}

/// What came of an attempt, and what that makes of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt's number; 0 where none was made.
    pub attempt: i64,
    /// What came of it.
    pub outcome: Outcome,
    /// Where the delivery stands now.
    pub status: DeliveryStatus,
    /// Why, when it is not delivered.
    pub reason: Option<String>,
    /// A new body, when the answer asked for one (409).
    pub request: Option<String>,
    /// Whether the attempt counts against `max_attempts`.
    pub counts: bool,
    /// Whether the attempt failed, so that the back-off grows.
    pub failed: bool,
    /// The time.
    pub now: Timestamp,
}

/// What becomes of the event, in the same commit as the settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// It stays in hand: its next delivery follows.
    Stay,
    /// It waits, and keeps its place in the order.
    Release {
        /// The event.
        event: EventId,
        /// Not before this time.
        due: Timestamp,
        /// The family for whose pause it waits: it is due at once when the family goes on.
        parked: Option<Family>,
    },
    /// It waits, and what came of its attempts that are open is not known.
    GiveBack {
        /// The event.
        event: EventId,
        /// Not before this time.
        due: Timestamp,
        /// The time.
        now: Timestamp,
    },
    /// It is done.
    Finish {
        /// The event.
        event: EventId,
        /// How it ended.
        status: EventStatus,
        /// Why, when it was not delivered.
        reason: Option<String>,
        /// The event that it is a copy of.
        copy_of: Option<EventId>,
        /// Those behind it wait until an operator replays or discards it, instead of moving up.
        hold: bool,
        /// It is a delete call: its person is erased in the same commit.
        erase: bool,
        /// The time.
        now: Timestamp,
    },
}

/// A settlement and its consequence, written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What came of an attempt, if one was made.
    pub settlement: Option<Settlement>,
    /// What becomes of the event.
    pub then: Then,
}

impl Step {
    /// The same, with an event that goes back due so much later.
    #[must_use]
    pub fn due_later(mut self, span: Duration) -> Self {
        if let Then::Release { due, .. } = &mut self.then {
            *due = due.plus(span);
        }
        self
    }
}

/// How events are taken in that happened long ago, elsewhere. They go the way of replays: behind live traffic, and
/// without subscriptions that are not recent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Import {
    /// Subscriptions of any age too.
    pub consent: bool,
    /// Events are recorded without starting flows.
    pub backfill: bool,
}

/// What erasing a person came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Finished events that were emptied.
    pub events: usize,
    /// Events of the person that were left alone: they wait, are held, or hold up others.
    pub left: usize,
}

/// How finished events are sent again.
#[expect(clippy::struct_excessive_bools, reason = "the options of the command, by its names")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replay {
    /// Subscriptions of any age too.
    pub consent: bool,
    /// Events are recorded without starting flows.
    pub backfill: bool,
    /// The requests of the generation before, instead of mapping anew.
    pub as_sent: bool,
    /// What an earlier generation delivered too.
    pub again: bool,
}

/// A delete call that is finished.
#[derive(Debug, Clone, Copy)]
pub(in crate::outbox) struct Deletion<'a> {
    pub(in crate::outbox) event: EventId,
    pub(in crate::outbox) status: EventStatus,
    pub(in crate::outbox) reason: Option<&'a str>,
    pub(in crate::outbox) now: Timestamp,
}
