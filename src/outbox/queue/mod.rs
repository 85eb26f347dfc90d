//! The database side of the scheduler: claim, plan, begin and settle, and what stops deliveries, such as pauses.

pub(in crate::outbox) mod begin;
pub(in crate::outbox) mod claim;
pub(in crate::outbox) mod import_job;
pub(in crate::outbox) mod limits;
pub(in crate::outbox) mod pause;
pub(in crate::outbox) mod plan;
pub(in crate::outbox) mod recovery;
pub(in crate::outbox) mod run;
pub(in crate::outbox) mod settle;
pub(in crate::outbox) mod transition;
pub(in crate::outbox) mod waiting;
pub(in crate::outbox) mod work;
