//! The `Retry-After` of clients that were refused because nothing could be stored.
//!
//! SDKs retry a limited number of times (thirty after a 429 in Node, Python and browsers). With a short wait they stop
//! retrying during a long outage, and a long wait makes a short outage longer. So the wait grows with the time in which
//! nothing was stored: half of that time, within the bounds that SDKs accept. Clients that were refused together are
//! spread a little.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::model::Timestamp;

/// SDKs obey `Retry-After` between these bounds, in seconds.
pub(super) const RETRY_AFTER: RangeInclusive<u64> = 1..=300;
/// The random part of a wait.
const SPREAD: f64 = 0.2;
/// Nothing is refused at the moment.
const NEVER: i64 = i64::MIN;

/// Since when nothing could be stored, in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Pressure(AtomicI64);

impl Pressure {
    pub(super) fn none() -> Self {
        Self(AtomicI64::new(NEVER))
    }

    /// Something was stored.
    pub(super) fn relieve(&self) {
        if self.0.load(Ordering::Relaxed) != NEVER {
            self.0.store(NEVER, Ordering::Relaxed);
        }
    }

    /// Nothing was stored. Returns how long the client should wait, at least `least`.
    pub(super) fn refused(&self, now: Timestamp, least: Duration, chance: f64) -> Duration {
        let now = now.as_millis();
        let since = self
            .0
            .compare_exchange(NEVER, now, Ordering::Relaxed, Ordering::Relaxed)
            .map_or_else(|since| since, |_| now);
        let lasted = Duration::from_millis(u64::try_from(now.saturating_sub(since)).unwrap_or(0));
        wait(lasted, least, chance)
    }
}

fn wait(lasted: Duration, least: Duration, chance: f64) -> Duration {
    let longest = Duration::from_secs(*RETRY_AFTER.end());
    let wait = (lasted / 2).max(least).min(longest);
    // The wait is only shortened at random, because the longest one is the longest that SDKs obey.
    let wait = wait.mul_f64(1.0 - SPREAD * chance);
    wait.max(least).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_half_the_outage_within_what_clients_heed() {
        let seconds = Duration::from_secs;
        for (lasted, least, chance, expected) in [
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
                wait(seconds(lasted), seconds(least), chance),
                expected,
                "{lasted} s, {chance}"
            );
        }
    }

    #[test]
    fn a_stored_event_ends_the_outage() {
        let pressure = Pressure::none();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let refused = |seconds| pressure.refused(at(seconds), Duration::from_secs(2), 0.0);
        assert_eq!(refused(1000), Duration::from_secs(2));
        assert_eq!(refused(1100), Duration::from_secs(50));
        pressure.relieve();
        assert_eq!(refused(1101), Duration::from_secs(2));
    }

    #[test]
    fn thirty_tries_outlast_an_hour() {
        let pressure = Pressure::none();
        let mut now = Timestamp::from_millis(0);
        for _ in 0..30 {
            now = now.plus(pressure.refused(now, Duration::from_secs(2), 1.0));
        }
        assert!(now.as_millis() > 3_600_000, "{now}");
    }
}
