//! Pure decisions: how much may be taken, what an answer makes of a delivery, when to try again, when to probe, how
//! fast.
//!
//! Functions of (data, settings, now, chance) and nothing else, so that a test needs no server and a restart
//! decides as the run before it would have. May use `model` and `config`.
//!
//! Three things bound what goes out at a moment: the [`Gate`], whether Klaviyo takes anything at all; [`Limits`], how
//! fast each family of endpoints may be called; and [`choose`], which way a request goes. The order of events is
//! not decided here: the outbox's lines hold it (see [`crate::outbox`]).

mod dispatch;
mod gate;
mod limits;
mod retry;
mod verdict;

pub use dispatch::{JOBS_IN_AIR, Move, Pressure, choose};
pub use gate::{Gate, Passage, Pause};
pub use limits::{FamilyUse, Limits};
pub use retry::retry_delay;
pub use verdict::{Facts, Next, Verdict, decide, not_resent};
