//! Maintenance of the file: retention, removal of erased data from pages, checkpoints, backups, the history by minute.

pub(in crate::outbox) mod backup;
pub(in crate::outbox) mod checkpoint;
pub(in crate::outbox) mod clocks;
pub(in crate::outbox) mod damage;
pub(in crate::outbox) mod destination;
pub(in crate::outbox) mod history;
pub(in crate::outbox) mod retention;
pub(in crate::outbox) mod vacuum;
