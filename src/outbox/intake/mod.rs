//! Accepts events: new events are stored and added to the queues of their identifiers, in one commit.

pub(in crate::outbox) mod admission;
pub(in crate::outbox) mod append;
pub(in crate::outbox) mod arrival;
pub(in crate::outbox) mod fingerprint;
pub(in crate::outbox) mod import;
pub(in crate::outbox) mod rejections;
