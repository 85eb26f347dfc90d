//! The file on its disk: creating, opening and locking it, and checking its name, its owner and its version.

pub(in crate::outbox) mod connect;
pub(in crate::outbox) mod create;
pub(in crate::outbox) mod disk;
pub(in crate::outbox) mod identity;
pub(in crate::outbox) mod lock;
pub(in crate::outbox) mod names;
pub(in crate::outbox) mod owner;
