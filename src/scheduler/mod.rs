//! Pure decisions: how much may be taken, what an answer makes of a delivery, when to try again, when to probe, how
//! fast.
//!
//! Functions of (data, settings, now, chance) and nothing else, so that a test needs no server and a restart
//! decides as the run before it would have. May use `model` and `config`.
//!
//! Three things bound what goes out at a moment: the [`Gate`], whether Klaviyo takes anything at all; [`Limits`], how
//! fast each family of endpoints may be called; and [`room`], how many events are in the air. The order of events is
//! not decided here: the outbox's lines hold it (see [`crate::outbox`]).

mod gate;
mod limits;
mod retry;
mod verdict;

pub use gate::{Gate, Passage, Pause};
pub use limits::{FamilyUse, Limits};
pub use retry::retry_delay;
pub use verdict::{Facts, Next, Verdict, decide, not_resent};

/// How many more events may be taken.
pub const fn room(in_flight: usize, max_in_flight: usize) -> usize {
    max_in_flight.saturating_sub(in_flight)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_full_house_has_no_room() {
        assert_eq!(super::room(0, 16), 16);
        assert_eq!(super::room(15, 16), 1);
        assert_eq!(super::room(16, 16), 0);
        assert_eq!(super::room(17, 16), 0);
    }
}
