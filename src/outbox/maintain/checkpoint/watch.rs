//! Evaluates a series of checkpoints: whether they fail, or cannot finish because of a reader. Pure.

use std::time::Duration;

/// A WAL up to this size, in bytes, is not reported when a reader blocks the checkpoint.
pub(super) const LARGE: u64 = 64 << 20;
/// How long checkpoints must be incomplete before it is reported.
const LONG: Duration = Duration::from_secs(10);

/// The result of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// The whole WAL is in the file.
    Whole,
    /// A reader needs the rest of the WAL; `wal_bytes` is the size of the whole WAL.
    Part { wal_bytes: u64 },
    /// It failed.
    Failed,
}

/// The state of the checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Well,
    Failing,
    Held,
}

/// The checkpoints so far.
#[derive(Debug)]
pub(super) struct Watch {
    state: State,
    /// Since when no checkpoint was complete.
    partly: Option<Duration>,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Well,
            partly: None,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Records the result of a checkpoint at `now`, by a monotonic clock. Returns the new state, if it changed, and how
    /// long it has lasted.
    pub(super) fn note(&mut self, pass: Pass, now: Duration) -> Option<(State, Duration)> {
        self.partly = match pass {
            Pass::Whole | Pass::Failed => None,
            Pass::Part { .. } => self.partly.or(Some(now)),
        };
        let partly = self.partly.map(|since| now.saturating_sub(since));
        let state = match pass {
            Pass::Failed => State::Failing,
            Pass::Whole => State::Well,
            // The pass may have written nothing, if a reader needs every page. So it does not prove that writes work
            // again or that the reader has ended.
            Pass::Part { wal_bytes } => {
                let long = partly.is_some_and(|span| span >= LONG);
                if long && wal_bytes > LARGE {
                    State::Held
                } else {
                    self.state
                }
            }
        };
        if state == self.state {
            return None;
        }
        self.state = state;
        Some((state, partly.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const LITTLE: Pass = Pass::Part { wal_bytes: 1 << 20 };
    const MUCH: Pass = Pass::Part { wal_bytes: LARGE + 1 };

    #[test]
    fn failures_in_a_row_are_one_state_until_a_checkpoint_works() {
        let mut watch = Watch::new();
        assert_eq!(watch.note(Pass::Whole, at(0)), None);
        assert_eq!(watch.note(Pass::Failed, at(1)), Some((State::Failing, at(0))));
        for second in 2..1000 {
            assert_eq!(watch.note(Pass::Failed, at(second)), None);
        }
        assert_eq!(watch.note(Pass::Whole, at(1000)), Some((State::Well, at(0))));
    }

    #[test]
    fn a_checkpoint_that_a_reader_stops_does_not_end_a_failure() {
        let mut watch = Watch::new();
        watch.note(Pass::Failed, at(0));
        assert_eq!(watch.note(LITTLE, at(1)), None);
        assert_eq!(watch.note(Pass::Failed, at(2)), None);
        assert_eq!(watch.note(MUCH, at(3)), None);
        assert_eq!(watch.note(MUCH, at(13)), Some((State::Held, at(10))));
        assert_eq!(watch.note(LITTLE, at(14)), None);
        assert_eq!(watch.note(Pass::Whole, at(15)), Some((State::Well, at(0))));
    }

    #[test]
    fn a_reader_is_named_when_the_wal_is_large_and_was_not_checkpointed_for_long() {
        let mut watch = Watch::new();
        assert_eq!(watch.note(LITTLE, at(0)), None);
        assert_eq!(watch.note(MUCH, at(9)), None);
        assert_eq!(watch.note(MUCH, at(10)), Some((State::Held, at(10))));
        assert_eq!(watch.note(MUCH, at(11)), None);
        assert_eq!(watch.note(Pass::Whole, at(60)), Some((State::Well, at(0))));
    }

    #[test]
    fn a_small_wal_may_be_read_for_ever_and_readers_may_come_and_go() {
        let mut watch = Watch::new();
        for second in 0..1000 {
            assert_eq!(watch.note(LITTLE, at(second)), None);
        }
        let mut watch = Watch::new();
        for second in 0..1000 {
            assert_eq!(watch.note(MUCH, at(second * 9)), None);
            assert_eq!(watch.note(Pass::Whole, at(second * 9 + 8)), None);
        }
    }
}
