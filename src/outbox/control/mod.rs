//! What an operator changes: events are replayed, held, released, discarded; people are erased.

pub(in crate::outbox) mod changes;
pub(in crate::outbox) mod dissolve;
pub(in crate::outbox) mod erase;
pub(in crate::outbox) mod shared;
