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
const PART: u32 = 16;
const LEAST: Duration = Duration::from_mins(1);
const MOST: Duration = Duration::from_hours(24);

/// The trusted time. Clones share it: one of them looks at the clocks from time to time, all can read it.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<Option<Seen>>>);

impl Witness {
    /// Starts with the time that was trusted at the last look of an earlier process; without one, with the clock's
    /// time.
    pub fn begin(&self, believed: Option<Timestamp>, clock: &dyn Clock) {
        *self.seen() = Some(Seen::since(believed, clock));
    }

    /// Looks at both clocks and returns the time that is trusted now. This must be called every few seconds, because
    /// only these looks show whether the clock keeps to a leap.
    pub fn look(&self, clock: &dyn Clock) -> Timestamp {
        let mut seen = self.seen();
        seen.get_or_insert_with(|| Seen::since(None, clock)).look(clock)
    }

    /// The time that is trusted now; `None` before [`begin`](Self::begin).
    pub fn believed(&self, clock: &dyn Clock) -> Option<Timestamp> {
        let seen = *self.seen();
        seen.map(|mut seen| seen.look(clock))
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both clocks at the last look, and the time trusted then.
#[derive(Debug, Clone, Copy)]
struct Seen {
    believed: Timestamp,
    wall: Timestamp,
    monotonic: Duration,
    /// How long the two clocks have run in step.
    agreed: Duration,
}

impl Seen {
    /// Starts with the time that was trusted last; without one, with the clock's time.
    fn since(believed: Option<Timestamp>, clock: &dyn Clock) -> Self {
        let wall = clock.now();
        Self {
            believed: believed.unwrap_or(wall),
            wall,
            monotonic: clock.monotonic(),
            agreed: Duration::ZERO,
        }
    }

    /// Looks at both clocks and returns the time that is trusted now.
    fn look(&mut self, clock: &dyn Clock) -> Timestamp {
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
            let witnessed = self.believed.plus(passed);
            let leap = wall.since(witnessed);
            let stood_by = self.agreed >= (leap / PART).clamp(LEAST, MOST);
            self.believed = if leap <= SLACK || stood_by { wall } else { witnessed };
        }
        self.believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::Hands;

    const NOON: Timestamp = Timestamp::from_millis(1_795_435_200_000);
    const HOUR: Duration = Duration::from_hours(1);
    const YEARS: Duration = Duration::from_hours(24 * 3652);

    /// Looks once a minute from noon on, with a clock that is ahead by this much.
    fn rounds(witness: &mut Seen, minutes: std::ops::Range<u32>, ahead: Duration) -> Timestamp {
        let mut believed = NOON;
        for minute in minutes {
            let passed = Duration::from_mins(1) * minute;
            believed = witness.look(&Hands(NOON.plus(passed).plus(ahead), passed));
        }
        believed
    }

    fn at_noon(believed: Option<Timestamp>) -> Seen {
        Seen::since(believed, &Hands(NOON, Duration::ZERO))
    }

    #[test]
    fn a_clock_that_goes_right_is_believed() {
        let witness = &mut at_noon(None);
        assert_eq!(rounds(witness, 1..60, Duration::ZERO), NOON.plus(HOUR * 59 / 60));
    }

    #[test]
    fn a_leap_that_is_taken_back_was_never_believed() {
        for ahead in [Duration::from_mins(1), HOUR, YEARS] {
            let witness = &mut at_noon(None);
            rounds(witness, 1..3, Duration::ZERO);
            let believed = rounds(witness, 3..4, ahead);
            assert_eq!(believed, NOON.plus(Duration::from_mins(3)), "{ahead:?}");
            let believed = rounds(witness, 4..6, Duration::ZERO);
            assert_eq!(believed, NOON.plus(Duration::from_mins(5)), "{ahead:?}");
        }
    }

    #[test]
    fn a_leap_is_believed_when_the_clock_has_stood_by_it() {
        let witness = &mut at_noon(None);
        rounds(witness, 1..3, Duration::ZERO);
        assert_eq!(rounds(witness, 3..63, 16 * HOUR), NOON.plus(HOUR + HOUR / 30));
        assert_eq!(rounds(witness, 63..64, 16 * HOUR), NOON.plus(17 * HOUR + HOUR / 20));
        let witness = &mut at_noon(None);
        assert_eq!(rounds(witness, 1..1440, YEARS), NOON.plus(HOUR * (24 * 60 - 1) / 60));
        assert!(rounds(witness, 1440..1443, YEARS) > NOON.plus(YEARS));
    }

    #[test]
    fn time_that_passed_while_no_daemon_ran_is_a_leap() {
        let witness = &mut at_noon(Some(NOON.minus(YEARS)));
        let minute = Duration::from_mins(1);
        assert_eq!(rounds(witness, 1..2, Duration::ZERO), NOON.minus(YEARS).plus(minute));
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_but_not_to_1970() {
        let witness = &mut at_noon(Some(NOON.plus(HOUR)));
        assert_eq!(rounds(witness, 1..2, Duration::ZERO), NOON.plus(HOUR / 60));
        let unset = Hands(Timestamp::from_millis(0), HOUR);
        assert_eq!(witness.look(&unset), NOON.plus(HOUR / 60));
    }

    #[test]
    fn who_asks_changes_nothing_and_before_the_first_look_nothing_is_known() {
        let (witness, leapt) = (Witness::default(), Hands(NOON.plus(YEARS), HOUR));
        assert_eq!(witness.believed(&leapt), None);
        witness.begin(None, &Hands(NOON, Duration::ZERO));
        let asked = witness.clone();
        assert_eq!(asked.believed(&leapt), Some(NOON.plus(HOUR)));
        let right = Hands(NOON.plus(2 * HOUR), 2 * HOUR);
        assert_eq!(asked.believed(&right), Some(NOON.plus(2 * HOUR)));
        assert_eq!(witness.look(&right), NOON.plus(2 * HOUR));
    }
}
