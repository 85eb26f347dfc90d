//! The current time, as far as two clocks agree on it.
//!
//! An event that is deleted or becomes dead because the clock was wrong for a moment is lost. So a new wall-clock time
//! is trusted only as far as the monotonic clock has advanced since the last look. The trusted time outlives the
//! process if its owner stores it. A leap of the wall clock is trusted after the clock has continued from there, in
//! step with the monotonic one, for a fraction of the leap: after a night switched off that takes half an hour, after
//! years it takes a day. A time before this version was written is never trusted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Clock, is_set};
use crate::model::Timestamp;

/// The difference that two correct clocks may have.
const SLACK: Duration = Duration::from_secs(5);
/// A leap is trusted when the clock has kept to it for this fraction of the leap, within bounds.
const LEAP_DIVISOR: u32 = 16;
const MIN_PROOF: Duration = Duration::from_mins(1);
const MAX_PROOF: Duration = Duration::from_hours(24);

/// The trusted time. Clones share it: one of them looks at the clocks from time to time, all can read it.
#[derive(Debug, Clone, Default)]
pub struct TrustedTime(Arc<Mutex<Option<State>>>);

impl TrustedTime {
    /// Starts with the time that was trusted at the last look of an earlier process; without one, with the clock's
    /// time.
    pub fn begin(&self, trusted: Option<Timestamp>, clock: &dyn Clock) {
        *self.state() = Some(State::since(trusted, clock));
    }

    /// Looks at both clocks and returns the time that is trusted now. This must be called every few seconds, because
    /// only these looks show whether the clock keeps to a leap.
    pub fn update(&self, clock: &dyn Clock) -> Timestamp {
        let mut state = self.state();
        state.get_or_insert_with(|| State::since(None, clock)).update(clock)
    }

    /// The time that is trusted now; `None` before [`begin`](Self::begin).
    pub fn now(&self, clock: &dyn Clock) -> Option<Timestamp> {
        let state = *self.state();
        state.map(|mut state| state.update(clock))
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both clocks at the last look, and the time trusted then.
#[derive(Debug, Clone, Copy)]
struct State {
    trusted: Timestamp,
    wall: Timestamp,
    monotonic: Duration,
    /// How long the two clocks have run in step.
    agreed: Duration,
}

impl State {
    /// Starts with the time that was trusted last; without one, with the clock's time.
    fn since(trusted: Option<Timestamp>, clock: &dyn Clock) -> Self {
        let wall = clock.now();
        Self {
            trusted: trusted.unwrap_or(wall),
            wall,
            monotonic: clock.monotonic(),
            agreed: Duration::ZERO,
        }
    }

    /// Looks at both clocks and returns the time that is trusted now.
    fn update(&mut self, clock: &dyn Clock) -> Timestamp {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let passed = monotonic.saturating_sub(self.monotonic);
        let expected = self.wall.plus(passed);
        let alike = wall.since(expected).max(expected.since(wall)) <= SLACK;
        self.agreed = if alike {
            self.agreed.saturating_add(passed)
        } else {
            Duration::ZERO
        };
        (self.wall, self.monotonic) = (wall, monotonic);
        if is_set(wall) {
            let expected_now = self.trusted.plus(passed);
            let leap = wall.since(expected_now);
            let is_proven = self.agreed >= (leap / LEAP_DIVISOR).clamp(MIN_PROOF, MAX_PROOF);
            self.trusted = if leap <= SLACK || is_proven { wall } else { expected_now };
        }
        self.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::FixedClock;

    const NOON: Timestamp = Timestamp::from_millis(1_795_435_200_000);
    const HOUR: Duration = Duration::from_hours(1);
    const YEARS: Duration = Duration::from_hours(24 * 3652);

    /// Looks once a minute from noon on, with a clock that is ahead by this much.
    fn rounds(time: &mut State, minutes: std::ops::Range<u32>, ahead: Duration) -> Timestamp {
        let mut trusted = NOON;
        for minute in minutes {
            let passed = Duration::from_mins(1) * minute;
            trusted = time.update(&FixedClock(NOON.plus(passed).plus(ahead), passed));
        }
        trusted
    }

    fn at_noon(trusted: Option<Timestamp>) -> State {
        State::since(trusted, &FixedClock(NOON, Duration::ZERO))
    }

    #[test]
    fn a_correct_clock_is_trusted() {
        let time = &mut at_noon(None);
        assert_eq!(rounds(time, 1..60, Duration::ZERO), NOON.plus(HOUR * 59 / 60));
    }

    #[test]
    fn a_leap_that_is_reverted_is_never_trusted() {
        for ahead in [Duration::from_mins(1), HOUR, YEARS] {
            let time = &mut at_noon(None);
            rounds(time, 1..3, Duration::ZERO);
            let trusted = rounds(time, 3..4, ahead);
            assert_eq!(trusted, NOON.plus(Duration::from_mins(3)), "{ahead:?}");
            let trusted = rounds(time, 4..6, Duration::ZERO);
            assert_eq!(trusted, NOON.plus(Duration::from_mins(5)), "{ahead:?}");
        }
    }

    #[test]
    fn a_leap_is_trusted_after_the_clock_has_kept_to_it() {
        let time = &mut at_noon(None);
        rounds(time, 1..3, Duration::ZERO);
        assert_eq!(rounds(time, 3..63, 16 * HOUR), NOON.plus(HOUR + HOUR / 30));
        assert_eq!(rounds(time, 63..64, 16 * HOUR), NOON.plus(17 * HOUR + HOUR / 20));
        let time = &mut at_noon(None);
        assert_eq!(rounds(time, 1..1440, YEARS), NOON.plus(HOUR * (24 * 60 - 1) / 60));
        assert!(rounds(time, 1440..1443, YEARS) > NOON.plus(YEARS));
    }

    #[test]
    fn time_without_a_running_daemon_is_a_leap() {
        let time = &mut at_noon(Some(NOON.minus(YEARS)));
        let minute = Duration::from_mins(1);
        assert_eq!(rounds(time, 1..2, Duration::ZERO), NOON.minus(YEARS).plus(minute));
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_but_not_to_1970() {
        let time = &mut at_noon(Some(NOON.plus(HOUR)));
        assert_eq!(rounds(time, 1..2, Duration::ZERO), NOON.plus(HOUR / 60));
        let unset = FixedClock(Timestamp::from_millis(0), HOUR);
        assert_eq!(time.update(&unset), NOON.plus(HOUR / 60));
    }

    #[test]
    fn reading_changes_nothing_and_before_the_first_update_no_time_is_known() {
        let (time, leapt) = (TrustedTime::default(), FixedClock(NOON.plus(YEARS), HOUR));
        assert_eq!(time.now(&leapt), None);
        time.begin(None, &FixedClock(NOON, Duration::ZERO));
        let reader = time.clone();
        assert_eq!(reader.now(&leapt), Some(NOON.plus(HOUR)));
        let right = FixedClock(NOON.plus(2 * HOUR), 2 * HOUR);
        assert_eq!(reader.now(&right), Some(NOON.plus(2 * HOUR)));
        assert_eq!(time.update(&right), NOON.plus(2 * HOUR));
    }
}
