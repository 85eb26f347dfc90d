//! Pure decisions: how much may be sent, what an answer means for a delivery, when to retry, when to probe, how fast.
//!
//! Functions of (data, settings, now, chance) and nothing else, so that a test needs no server and a restart decides as
//! the run before it would have. May use `model` and `config`.
//!
//! What is sent at a moment is bounded by [`Breakers`] (whether a family of endpoints accepts anything at all),
//! [`Limits`] (how fast it may be called), [`vacancy`] (how many requests it may have in flight) and
//! [`choose_dispatch`] (singly or in a job). [`Latencies`] bounds how long a request may take. The order of events is
//! not decided here: the outbox's queues keep it (see [`crate::outbox`]).

mod breaker;
mod breakers;
mod cause;
mod decision;
mod dispatch;
mod latency;
mod limits;
mod retry;
mod slots;

pub use breaker::Permit;
pub use breakers::{Attempted, Breakers, Paused};
pub use cause::{Cause, code_of, reason_of};
pub use decision::{Action, AttemptContext, Decision, decide, longest_wait, not_resent};
pub use dispatch::{Dispatch, JOBS_IN_FLIGHT, QueueState, choose_dispatch};
pub use latency::Latencies;
pub use limits::{Closed, FamilyUse, Limits};
pub use retry::retry_delay;
pub use slots::{InFlight, Vacancy, vacancy};
