//! Read models: what commands, the page and the metrics show. Nothing here writes.

pub(in crate::outbox) mod audit;
mod columns;
pub(in crate::outbox) mod dead;
pub(in crate::outbox) mod event;
pub(in crate::outbox) mod export;
pub(in crate::outbox) mod known;
pub(in crate::outbox) mod library;
pub(in crate::outbox) mod neighbours;
pub(in crate::outbox) mod overview;
pub(in crate::outbox) mod page;
pub(in crate::outbox) mod scan;
pub(in crate::outbox) mod search;
pub(in crate::outbox) mod select;
pub(in crate::outbox) mod status;
pub(in crate::outbox) mod stopped;
