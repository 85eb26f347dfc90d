//! The data types between the scheduler and the outbox: what the scheduler has written, and the replies.

use std::time::Duration;

use crate::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, Family, Outcome, Reason, Timestamp,
};

/// A request that has to be sent for an event, as mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDelivery {
    /// The kind of request.
    pub kind: DeliveryKind,
    /// The metric's name; only for the kind `event`.
    pub metric: Option<String>,
    /// The `$event_id`; only for the kind `event`.
    pub event_key: Option<String>,
    /// The list; only for a subscription or a list change.
    pub list_id: Option<String>,
    /// The body, which is frozen from now on; `None` if it depends on the answer to an earlier request.
    pub request: Option<String>,
    /// Why it is never sent; `None` if it is to be sent.
    pub rejected: Option<Reason>,
    /// Warnings of the mapper, for example about values that Klaviyo accepts and then ignores.
    pub warnings: Vec<String>,
}

/// An attempt that is about to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The destination: the sandbox or a Klaviyo account.
    pub sent_to: String,
    /// The body, if it is not frozen yet.
    pub request: Option<String>,
    /// The current time.
    pub now: Timestamp,
}

/// Whether an attempt may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is recorded under this number: send the request.
    Go {
        /// The number of the attempt within its delivery, from 1.
        attempt: i64,
    },
    /// The same was delivered before: the delivery is settled as `duplicate`, and nothing is to be sent.
    Duplicate(Copied),
    /// It may not start now: another delivery with this `$event_id` is not finished, or the event was held, discarded
    /// or claimed again in the meantime.
    Busy,
}

/// The earlier delivery of which a request is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The event of that delivery: another event, or an earlier generation of the same event.
    pub event: EventId,
    /// The profile id in the answer of Klaviyo to that delivery.
    pub profile_id: Option<String>,
}

/// The result of an attempt, and the new state of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt's number; 0 if no attempt was made.
    pub attempt: i64,
    /// The result.
    pub outcome: Outcome,
    /// The new status of the delivery.
    pub status: DeliveryStatus,
    /// The reason, if it is not delivered.
    pub reason: Option<Reason>,
    /// A new body, if the answer makes one necessary (409).
    pub request: Option<String>,
    /// Whether the attempt counts against `max_attempts`.
    pub counts: bool,
    /// Whether the attempt failed, so that the back-off grows.
    pub failed: bool,
    /// The current time.
    pub now: Timestamp,
}

/// The next state of the event, written in the same commit as the settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It stays active: its next delivery follows.
    Continue,
    /// It is requeued, and keeps its position in its queues.
    Reschedule {
        /// The event.
        event: EventId,
        /// It is not due before this time.
        due: Timestamp,
        /// The paused family that it waits for: the event becomes due as soon as the pause ends.
        parked: Option<Family>,
    },
    /// It is requeued, and the results of its open attempts are unknown.
    Requeue {
        /// The event.
        event: EventId,
        /// It is not due before this time.
        due: Timestamp,
        /// The current time.
        now: Timestamp,
    },
    /// It is finished.
    Complete {
        /// The event.
        event: EventId,
        /// The final status.
        status: EventStatus,
        /// The reason, if it was not delivered.
        reason: Option<Reason>,
        /// The event of which it is a copy.
        copy_of: Option<EventId>,
        /// The events behind it stay blocked until an operator replays or discards it.
        hold: bool,
        /// It is a delete call: its person is erased in the same commit.
        erase: bool,
        /// The current time.
        now: Timestamp,
    },
}

/// A settlement and the next state of its event, written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The result of an attempt, if one was made.
    pub settlement: Option<Settlement>,
    /// The next state of the event.
    pub next: Next,
}

impl Transition {
    /// Returns the same step; with [`Next::Reschedule`], the event is due later by `span`.
    #[must_use]
    pub fn due_later(mut self, span: Duration) -> Self {
        if let Next::Reschedule { due, .. } = &mut self.next {
            *due = due.plus(span);
        }
        self
    }
}

/// How events from an archive are imported. They are processed like replays: after live traffic, and without
/// subscriptions that are not recent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Import {
    /// Also sends subscriptions of any age.
    pub consent: bool,
    /// Records events without starting flows.
    pub backfill: bool,
}

/// The result of erasing a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// The number of finished events that were erased.
    pub events: usize,
    /// The number of events of the person that were not changed: they are waiting, held, or block other events.
    pub left: usize,
}

/// How finished events are sent again.
#[expect(clippy::struct_excessive_bools, reason = "the options of the command, by its names")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replay {
    /// Also sends subscriptions of any age.
    pub consent: bool,
    /// Records events without starting flows.
    pub backfill: bool,
    /// Sends the requests of the previous generation, instead of mapping the event again.
    pub as_sent: bool,
    /// Also sends what an earlier generation delivered.
    pub again: bool,
}

/// A finished delete call.
#[derive(Debug, Clone, Copy)]
pub(in crate::outbox) struct Deletion<'a> {
    pub(in crate::outbox) event: EventId,
    pub(in crate::outbox) status: EventStatus,
    pub(in crate::outbox) reason: Option<&'a Reason>,
    pub(in crate::outbox) now: Timestamp,
}
