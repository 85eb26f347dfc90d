//! The `Retry-After` of clients that were rejected because nothing could be stored.
//!
//! SDKs retry a limited number of times (thirty after a 429 in Node, Python and browsers). With a short wait they stop
//! retrying during a long outage, and a long wait makes a short outage longer. So the wait grows with the time in which
//! nothing was stored: half of that time, within the bounds that SDKs accept. Clients that were rejected together are
//! spread a little.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::model::Timestamp;

/// SDKs obey `Retry-After` between these bounds, in seconds.
pub(super) const BOUNDS_S: RangeInclusive<u64> = 1..=300;
/// The random part of a wait.
const JITTER: f64 = 0.2;
/// Nothing is rejected at the moment.
const NEVER: i64 = i64::MIN;

/// Since when nothing could be stored, in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct RetryAfter(AtomicI64);

impl RetryAfter {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(NEVER))
    }

    /// Something was stored.
    pub(super) fn reset(&self) {
        if self.0.load(Ordering::Relaxed) != NEVER {
            self.0.store(NEVER, Ordering::Relaxed);
        }
    }

    /// Nothing was stored. Returns how long the client should wait, at least `least`.
    pub(super) fn next_wait(&self, now: Timestamp, least: Duration, chance: f64) -> Duration {
        let now = now.as_millis();
        let since = self
            .0
            .compare_exchange(NEVER, now, Ordering::Relaxed, Ordering::Relaxed)
            .map_or_else(|since| since, |_| now);
        let outage = Duration::from_millis(u64::try_from(now.saturating_sub(since)).unwrap_or(0));
        wait(outage, least, chance)
    }
}

fn wait(outage: Duration, least: Duration, chance: f64) -> Duration {
    let longest = Duration::from_secs(*BOUNDS_S.end());
    let wait = (outage / 2).max(least).min(longest);
    // The wait is only shortened at random, because the longest one is the longest that SDKs obey.
    let wait = wait.mul_f64(1.0 - JITTER * chance);
    wait.max(least).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_half_the_outage_within_the_bounds_that_sdks_obey() {
        let seconds = Duration::from_secs;
        for (outage, least, chance, expected) in [
            (0, 2, 0.0, seconds(2)),
            (3, 2, 0.0, seconds(2)),
            (60, 2, 0.0, seconds(30)),
            (60, 2, 0.5, seconds(27)),
            (4, 2, 0.9, seconds(2)),
            (86_400, 2, 0.0, seconds(300)),
            (86_400, 2, 1.0, seconds(240)),
            (0, 30, 0.9, seconds(30)),
        ] {
            assert_eq!(
                wait(seconds(outage), seconds(least), chance),
                expected,
                "{outage} s, {chance}"
            );
        }
    }

    #[test]
    fn a_stored_event_ends_the_outage() {
        let retry_after = RetryAfter::new();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let wait = |seconds| retry_after.next_wait(at(seconds), Duration::from_secs(2), 0.0);
        assert_eq!(wait(1000), Duration::from_secs(2));
        assert_eq!(wait(1100), Duration::from_secs(50));
        retry_after.reset();
        assert_eq!(wait(1101), Duration::from_secs(2));
    }

    #[test]
    fn thirty_retries_last_longer_than_an_hour() {
        let retry_after = RetryAfter::new();
        let mut now = Timestamp::from_millis(0);
        for _ in 0..30 {
            now = now.plus(retry_after.next_wait(now, Duration::from_secs(2), 1.0));
        }
        assert!(now.as_millis() > 3_600_000, "{now}");
    }
}
