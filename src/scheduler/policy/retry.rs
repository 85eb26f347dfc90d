//! When to retry: exponential back-off with full jitter, from the stored number of tries.
//!
//! The crate `backoff` is unmaintained (RUSTSEC-2025-0012) and is used because it was explicitly requested. It only
//! computes intervals here: its own clock, jitter and elapsed-time limit are off, and no other file uses it.

use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

/// After this many tries the interval has long reached the longest possible setting: 2^40 of the shortest first
/// interval, a millisecond, is 34 years.
const STEPS: u32 = 40;

/// How long to wait after the `tries`-th try (counted from 1): evenly distributed between zero and `first` ×
/// 2^(tries-1), at most `longest`. With `first` = 1 s and `longest` = 10 min, the upper bounds are 1, 2, 4, … 512, 600,
/// 600 s.
///
/// `chance` lies in 0..1. The wait is never shorter than the server's own `retry_after`, and the jitter is added to it,
/// so that requests that waited together do not return together.
pub fn retry_delay(
    tries: u32,
    first: Duration,
    longest: Duration,
    retry_after: Option<Duration>,
    chance: f64,
) -> Duration {
    let jittered = interval(tries, first, longest).mul_f64(chance.clamp(0.0, 1.0));
    match retry_after {
        // Added to the server's wait, a tenth of it at most: enough to spread the retries, not enough to lose time.
        Some(server) => server.saturating_add(jittered.min(server / 10)),
        None => jittered,
    }
}

fn interval(tries: u32, first: Duration, longest: Duration) -> Duration {
    let mut intervals: ExponentialBackoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_multiplier(2.0)
        .with_randomization_factor(0.0)
        .with_max_interval(longest)
        .with_max_elapsed_time(None)
        .build();
    let mut interval = first;
    for _ in 0..tries.clamp(1, STEPS) {
        // `None` would mean that the elapsed time is over, but no limit is set on it.
        interval = intervals.next_backoff().unwrap_or(longest);
    }
    interval.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_mins(10);

    #[test]
    fn the_bound_doubles_and_stops_at_the_longest() {
        let bounds: Vec<u64> = (1..=12).map(|n| interval(n, FIRST, LONGEST).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(interval(u32::MAX, FIRST, LONGEST), LONGEST);
        assert_eq!(interval(0, FIRST, LONGEST), FIRST);
    }

    #[test]
    fn full_jitter_reaches_from_nothing_to_the_bound() {
        assert_eq!(retry_delay(4, FIRST, LONGEST, None, 0.0), Duration::ZERO);
        assert_eq!(retry_delay(4, FIRST, LONGEST, None, 0.5), Duration::from_secs(4));
        assert!(retry_delay(4, FIRST, LONGEST, None, 0.999) < Duration::from_secs(8));
    }

    #[test]
    fn a_servers_own_delay_is_never_undercut_and_may_exceed_the_longest() {
        let server = Duration::from_mins(20);
        for chance in [0.0, 0.3, 0.99] {
            let delay = retry_delay(1, FIRST, LONGEST, Some(server), chance);
            assert!(delay >= server && delay <= server + FIRST, "{delay:?}");
        }
    }
}
