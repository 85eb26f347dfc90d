//! A Segment call on its way: its type, the side it came from, and where it stands.

use std::sync::Arc;

use super::{Identifier, Timestamp};

words! {
    /// The calls of Segment's tracking API, and the deletion request its webhooks send.
    EventType {
        /// Who somebody is: traits of a person.
        Identify = "identify",
        /// What somebody did.
        Track = "track",
        /// A page somebody saw.
        Page = "page",
        /// A screen of an app somebody saw.
        Screen = "screen",
        /// The company or team somebody belongs to.
        Group = "group",
        /// Two ids that are one person.
        Alias = "alias",
        /// A request to erase a person.
        Delete = "delete",
    }
}

impl EventType {
    /// The type that a sender's `type` names, in any case.
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
    /// Where an event stands.
    EventStatus {
        /// Accepted and on disk; not all of its deliveries are done. The relay moves it on when its turn comes and
        /// every answer is in. A crash leaves it here: it is taken up again at the next start, with the same
        /// requests and the same `$event_id`s.
        Pending = "pending",
        /// Every delivery is `delivered` or `duplicate`. Final until it is replayed.
        Delivered = "delivered",
        /// Nothing had to be sent, and `reason` says why. Final until it is replayed.
        Skipped = "skipped",
        /// Given up: at least one delivery was refused for good or ran out of attempts and time, or the event was
        /// never valid; `reason` says why. An operator moves it on with `replay`.
        Dead = "dead",
        /// Stopped by an operator with `hold`, who alone moves it on, with `release` or `discard`. It keeps its place in its person's
        /// order, so that person's later events wait behind it.
        Held = "held",
    }
}

words! {
    /// What a dead event means for the later events of its people.
    AfterDead {
        /// They go on without it.
        Continue = "continue",
        /// They wait until an operator moves it on.
        Hold = "hold",
    }
}

/// A call that passed (or failed) ingest's checks, ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The name of the source whose write key it carried.
    pub source: String,
    /// The client's `messageId`, or one made at ingest. Together with the source it is stored once.
    pub message_id: String,
    /// Which call it is. `None` only for a refused item that does not say.
    pub kind: Option<EventType>,
    /// The `event` of a track, the `name` of a page or screen.
    pub name: Option<String>,
    /// When it happened, corrected for the client's clock.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The order it names, for whoever looks for it.
    pub order_id: Option<String>,
    /// Everybody it may be about: it waits for every earlier unfinished event that shares one of these.
    pub identifiers: Vec<Identifier>,
    /// The call as received, byte for byte.
    pub payload: String,
    /// What surrounds it in a batch, as one JSON object: `context`, `integrations`, `sentAt`.
    /// The calls of one batch share it.
    pub envelope: Option<Arc<str>>,
    /// The span that stores it (W3C `traceparent`), where its request is traced: what becomes of it goes on with that trace.
    pub traceparent: Option<Arc<str>>,
    /// Why it can never be delivered, in Segment's codes: it is kept as dead, for the operator to see.
    pub refused: Option<String>,
}
