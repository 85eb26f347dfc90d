//! Pure decisions: how much may be taken, what an answer makes of a delivery, when to try again, when to probe, how
//! fast.
//!
//! Functions of (data, settings, now, chance) and nothing else, so that a test needs no server and a restart
//! decides as the run before it would have. May use `model` and `config`.
//!
//! What goes out at a moment is bounded by [`Breakers`], whether a family of endpoints takes anything at all;
//! [`Limits`], how fast it may be called; [`Slots`], how many requests it may have in flight; and [`choose`], which way
//! a request goes. How long a request may take is [`Latencies`]'. The order of events is not decided here: the outbox's
//! queues hold it (see [`crate::outbox`]).

mod breaker;
mod breakers;
mod dispatch;
mod latency;
mod limits;
mod retry;
mod slots;
mod verdict;

pub use breaker::Permit;
pub use breakers::{Attempted, Breakers, Paused};
pub use dispatch::{JOBS_IN_AIR, Move, Pressure, choose};
pub use latency::Latencies;
pub use limits::{ClosedLong, FamilyUse, Limits};
pub use retry::retry_delay;
pub use slots::{InFlight, Slots, Vacancy};
pub use verdict::{Facts, Next, Verdict, decide, longest_wait, not_resent};
