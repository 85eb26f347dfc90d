//! How much of its share a family uses: all of it, less after a 429, and gradually more while no other 429 comes.
//!
//! Additive increase, multiplicative decrease, as in congestion control: other users of the same limits get a part of
//! them too.

use std::time::Duration;

use crate::model::Timestamp;

/// The factor that remains after a 429. Two of them halve the pace.
const CUT: f64 = 0.7;
/// The increase in each step: one cut is recovered in a minute, the length of the longer window.
const GROWTH: f64 = 0.05;
/// The length of a step.
const STEP: Duration = Duration::from_secs(10);
/// The minimum: slow, but never a standstill, in which nothing could be learned.
const FLOOR: f64 = 0.1;

/// The factor between [`FLOOR`] and 1, and since when it grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    factor: f64,
    /// When sending resumed after the last 429; growth is counted from here.
    open_at: Timestamp,
}

impl Pace {
    pub(super) const FULL: Self = Self {
        factor: 1.0,
        open_at: Timestamp::from_millis(0),
    };

    /// The factor now.
    pub(super) fn at(&self, now: Timestamp) -> f64 {
        let steps = now.since(self.open_at).as_secs() / STEP.as_secs();
        // More than twenty steps reach 1 from zero.
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).min(20);
        f64::from(steps).mul_add(GROWTH, self.factor).min(1.0)
    }

    /// A 429 came, and nothing will be sent before `open_at`. Only the first one reduces the pace; those that come
    /// before `open_at` answer requests that were in flight already, and give no new information.
    pub(super) fn rate_limited(&mut self, now: Timestamp, open_at: Timestamp) {
        if now >= self.open_at {
            self.factor = (self.at(now) * CUT).max(FLOOR);
        }
        self.open_at = self.open_at.max(open_at);
    }

    /// When it grows next; `None` when it is full.
    pub(super) fn grows_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.at(now) >= 1.0 {
            return None;
        }
        let steps = u32::try_from(now.since(self.open_at).as_secs() / STEP.as_secs());
        Some(self.open_at.plus(STEP * (steps.unwrap_or(20) + 1)))
    }

    /// The clock was set back by this much.
    pub(super) fn rewind(&mut self, by: Duration) {
        self.open_at = self.open_at.minus(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000).plus(Duration::from_secs(secs))
    }

    #[test]
    fn one_cut_is_made_good_in_a_minute_of_sending() {
        let mut pace = Pace::FULL;
        pace.rate_limited(at(0), at(30));
        let percent = |secs| format!("{:.2}", pace.at(at(secs)));
        let percents = [0, 30, 39, 40, 60, 89, 90, 500].map(percent);
        assert_eq!(
            percents,
            ["0.70", "0.70", "0.70", "0.75", "0.85", "0.95", "1.00", "1.00"]
        );
        assert_eq!(pace.grows_at(at(41)), Some(at(50)));
        assert_eq!(pace.grows_at(at(90)), None);
    }

    #[test]
    fn the_429s_of_requests_in_flight_count_as_one() {
        let mut pace = Pace::FULL;
        for _ in 0..50 {
            pace.rate_limited(at(0), at(2));
        }
        assert!((pace.at(at(2)) - 0.7).abs() < 1e-9);
        pace.rate_limited(at(2), at(4));
        assert!((pace.at(at(4)) - 0.49).abs() < 1e-9);
    }

    #[test]
    fn it_never_stands_still() {
        let mut pace = Pace::FULL;
        for step in 0..100 {
            pace.rate_limited(at(step), at(step + 1));
        }
        assert!((pace.at(at(100)) - FLOOR).abs() < 1e-9);
    }
}
