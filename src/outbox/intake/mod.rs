//! Taking events in: what is new is stored and put in the queues of its identifiers, in one commit.

pub(in crate::outbox) mod admission;
pub(in crate::outbox) mod append;
pub(in crate::outbox) mod arrival;
pub(in crate::outbox) mod door;
pub(in crate::outbox) mod fingerprint;
pub(in crate::outbox) mod import;
