//! A Segment call during its delivery: its type, its side, and its state.

use std::sync::Arc;

use super::{Identifier, Reason, Timestamp};

words! {
    /// The calls of Segment's tracking API, and the deletion request its webhooks send.
    EventType {
        /// The traits of a person.
        Identify = "identify",
        /// An action of a person.
        Track = "track",
        /// A page view.
        Page = "page",
        /// A screen view in an app.
        Screen = "screen",
        /// The company or team of a person.
        Group = "group",
        /// Two ids of the same person.
        Alias = "alias",
        /// A request to erase a person.
        Delete = "delete",
    }
}

impl EventType {
    /// The type in a sender's `type` field, in any case.
    pub fn read(word: &str) -> Option<Self> {
        Self::from_word(&word.trim().to_ascii_lowercase())
    }
}

words! {
    /// Where a call was made: Segment's destination maps the two sides differently.
    Side {
        /// By a server or mobile library.
        Server = "server",
        /// By a library in a browser.
        Client = "client",
    }
}

words! {
    /// The state of an event.
    EventStatus {
        /// Accepted and on disk; not all of its deliveries are finished. The relay sends it when no earlier event
        /// blocks it, and finishes it when every answer has arrived. After a crash it keeps this state: the next start
        /// continues with the same requests and the same `$event_id`s.
        Pending = "pending",
        /// Every delivery is `delivered` or `duplicate`. Final until it is replayed.
        Delivered = "delivered",
        /// Nothing had to be sent; `reason` has the cause. Final until it is replayed.
        Skipped = "skipped",
        /// Failed for good: at least one delivery was rejected for good or ran out of attempts and time, or the event
        /// was never valid; `reason` has the cause. Only an operator's `replay` sends it again.
        Dead = "dead",
        /// Stopped by an operator with `hold`; only an operator's `release` or `discard` ends that. It keeps its place
        /// in the queues of its identifiers, so later events of the same person wait behind it.
        Held = "held",
    }
}

words! {
    /// What a dead event means for the later events of its people.
    AfterDead {
        /// They continue without it.
        Continue = "continue",
        /// They wait until an operator replays or discards it.
        Hold = "hold",
    }
}

/// A call that passed (or failed) ingest's checks, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The source of its write key.
    pub source: String,
    /// The client's `messageId`, or one made at ingest. An event is stored once for each source and message id.
    pub message_id: String,
    /// The type of the call. `None` only for a dead item without a type.
    pub kind: Option<EventType>,
    /// The `event` of a track, the `name` of a page or screen.
    pub name: Option<String>,
    /// When it happened, corrected for the client's clock.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The order it names, for searches.
    pub order_id: Option<String>,
    /// Everybody it may be about: it waits for every earlier unfinished event that shares one of these.
    pub identifiers: Vec<Identifier>,
    /// The call as received, byte for byte.
    pub payload: String,
    /// The batch's fields around it, as one JSON object: `context`, `integrations`, `sentAt`. All calls of a batch
    /// share it.
    pub envelope: Option<Arc<str>>,
    /// The span that stores it (W3C `traceparent`), where its request is traced: its later spans belong to that trace.
    pub traceparent: Option<Arc<str>>,
    /// Why it can never be delivered, in Segment's codes: it is stored as dead, so that the operator sees it.
    pub dead: Option<Reason>,
}
