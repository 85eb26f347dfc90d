//! The changes by an operator: events are replayed, held, released or discarded, and people are erased.

pub(in crate::outbox) mod changes;
pub(in crate::outbox) mod dissolve;
pub(in crate::outbox) mod erase;
pub(in crate::outbox) mod shared;
