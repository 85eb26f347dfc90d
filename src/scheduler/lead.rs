//! How far the clock has been set back, for the due times in the outbox, which were written by the clock before that.
//!
//! Due times are stored as wall-clock times. After the clock is set back they would be further away than intended, and
//! so would every event that arrives, since an event is due at its arrival time. So the outbox is read and written with
//! a clock that is never set back: the latest time that was seen, plus the monotonic time since then. All other times
//! are those of the wall clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::model::Timestamp;

/// The largest difference so far between the wall clock and the monotonic clock, in milliseconds.
#[derive(Debug)]
pub(super) struct Lead(AtomicI64);

impl Lead {
    /// Starts without a lead, or with the lead of the latest time in the outbox.
    pub(super) fn since(latest: Option<Timestamp>, clock: &dyn Clock) -> Self {
        let now = clock.now();
        let latest = latest.map_or(now, |latest| latest.max(now));
        Self(AtomicI64::new(latest.as_millis().saturating_sub(millis(clock))))
    }

    /// How far the clock has been set back, limited to `most`: no event needs a longer lead.
    pub(super) fn of(&self, clock: &dyn Clock, most: Duration) -> Duration {
        let ahead = clock.now().as_millis().saturating_sub(millis(clock));
        let before = self.0.fetch_max(ahead, Ordering::Relaxed);
        let back = u64::try_from(before.saturating_sub(ahead)).unwrap_or(0);
        Duration::from_millis(back).min(most)
    }
}

fn millis(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.monotonic().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::FixedClock;

    const NOON: Timestamp = Timestamp::from_millis(1_795_435_200_000);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_clock_that_is_set_back_is_led_by_as_much_and_by_no_more_than_a_wait_can_take() {
        let start = FixedClock(NOON, Duration::ZERO);
        let lead = Lead::since(None, &start);
        let of = |clock: FixedClock| lead.of(&clock, HOUR).as_secs();
        assert_eq!(of(FixedClock(NOON.plus(HOUR), HOUR)), 0, "it goes on");
        assert_eq!(of(FixedClock(NOON.plus(HOUR / 2), HOUR)), 1800, "set back");
        assert_eq!(
            of(FixedClock(NOON.plus(HOUR), HOUR * 3 / 2)),
            1800,
            "it goes on from there"
        );
        assert_eq!(of(FixedClock(Timestamp::from_millis(0), HOUR * 2)), 3600);
        assert_eq!(of(FixedClock(NOON.plus(HOUR * 3), HOUR * 3)), 0, "set right");
    }

    #[test]
    fn a_clock_that_was_set_back_before_the_start_is_led_too() {
        let clock = FixedClock(NOON, HOUR);
        let lead = Lead::since(Some(NOON.plus(HOUR / 4)), &clock);
        assert_eq!(lead.of(&clock, HOUR).as_secs(), 900);
        assert_eq!(
            Lead::since(Some(NOON.minus(HOUR)), &clock).of(&clock, HOUR).as_secs(),
            0
        );
    }
}
