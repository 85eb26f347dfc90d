//! What the time is, as far as two clocks agree.
//!
//! What is deleted or given up by a clock that is wrong for a moment is gone. So the time of day is believed as far as the
//! monotonic clock has seen it pass since the last look; what was believed outlives the process where its owner keeps it. A
//! leap is believed when the clock has gone on from there, like the monotonic one, for a part of what it leapt: after a
//! night switched off for half an hour, after years for a day. A time before this version was written is no time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Clock, is_set};
use crate::model::Timestamp;

/// What two clocks differ by that are right.
const SLACK: Duration = Duration::from_secs(5);
/// A leap is believed when the clock has stood by it for this part of it, within bounds.
const PART: u32 = 16;
const LEAST: Duration = Duration::from_mins(1);
const MOST: Duration = Duration::from_hours(24);

/// What is believed of a clock. Clones share it: one of them looks now and then, all may ask.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<Option<Seen>>>);

impl Witness {
    /// Begins with what was believed at the last look of an earlier process; with the clock, where there was none.
    pub fn begin(&self, believed: Option<Timestamp>, clock: &dyn Clock) {
        *self.seen() = Some(Seen::since(believed, clock));
    }

    /// Looks at both clocks; answers the time that is believed now. Somebody must do so every few seconds: a leap is
    /// believed by what is seen at these looks.
    pub fn look(&self, clock: &dyn Clock) -> Timestamp {
        let mut seen = self.seen();
        seen.get_or_insert_with(|| Seen::since(None, clock)).look(clock)
    }

    /// The time that is believed now; `None` before anybody has begun.
    pub fn believed(&self, clock: &dyn Clock) -> Option<Timestamp> {
        let seen = *self.seen();
        seen.map(|mut seen| seen.look(clock))
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both clocks at the last look, and what was believed.
#[derive(Debug, Clone, Copy)]
struct Seen {
    believed: Timestamp,
    wall: Timestamp,
    monotonic: Duration,
    /// For how long the two have gone alike.
    agreed: Duration,
}

impl Seen {
    /// Begins with what was believed in the last round; with the clock, where there was none.
    fn since(believed: Option<Timestamp>, clock: &dyn Clock) -> Self {
        let wall = clock.now();
        Self {
            believed: believed.unwrap_or(wall),
            wall,
            monotonic: clock.monotonic(),
            agreed: Duration::ZERO,
        }
    }

    /// Looks at both clocks; answers the time that is believed now.
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

    /// Rounds of a minute from noon on, under a clock that shows so much more than it should.
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
