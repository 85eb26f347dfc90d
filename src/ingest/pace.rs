//! How slowly a body may arrive: a phone on a bad line is waited for as long as it sends, a body that stands still or
//! trickles is not, since it holds room that others need.
//!
//! Pure. The times are from the beginning of the body.

use std::time::Duration;

/// The least pace of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long nothing at all may come.
    pub(super) stall: Duration,
    /// How long it may be behind the least rate.
    pub(super) grace: Duration,
    /// The least rate, in bytes a second.
    pub(super) rate: u32,
}

impl Pace {
    /// For a request whose headers or query name a source: 1 KiB/s.
    pub(super) const KNOWN: Self = Self {
        stall: Duration::from_secs(10),
        grace: Duration::from_secs(10),
        rate: 1 << 10,
    };
    /// For any other: its key may stand in the body, or nowhere. 2 KiB/s, half of what a phone sends.
    pub(super) const UNKNOWN: Self = Self {
        stall: Duration::from_secs(5),
        grace: Duration::from_secs(5),
        rate: 2 << 10,
    };

    /// When the next byte has to be here, of a body of which `seen` bytes were, the last of them at `last`.
    pub(super) fn due(self, seen: usize, last: Duration) -> Duration {
        let seen = Duration::from_secs(u64::try_from(seen).unwrap_or(u64::MAX));
        (self.grace + seen / self.rate).min(last + self.stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a body of `whole` bytes is waited for that sends so many in each interval, and how many it has sent then.
    fn waited(pace: Pace, whole: usize, bytes: usize, every: Duration) -> (Duration, usize) {
        let (mut seen, mut now) = (0, Duration::ZERO);
        while seen < whole {
            let due = pace.due(seen, now);
            if now + every > due {
                return (due, seen);
            }
            now += every;
            seen += bytes;
        }
        (now, seen)
    }

    #[test]
    fn a_phone_is_waited_for_until_all_is_here() {
        for pace in [Pace::KNOWN, Pace::UNKNOWN] {
            // 4 KB/s, in packets and in bursts: 400 KB take 100 s.
            for (bytes, millis) in [(1_400, 350), (4_000, 1_000), (16_000, 4_000)] {
                let (waited, seen) = waited(pace, 400_000, bytes, Duration::from_millis(millis));
                assert!(seen >= 400_000, "{pace:?}: {seen} bytes in {waited:?}");
            }
        }
    }

    #[test]
    fn a_body_that_stands_still_or_trickles_is_not() {
        for (pace, most) in [(Pace::KNOWN, 11), (Pace::UNKNOWN, 6)] {
            let most = Duration::from_secs(most);
            assert!(pace.due(0, Duration::ZERO) < most);
            let (time, _) = waited(pace, 400_000, 1, Duration::from_millis(200));
            assert!(time < most, "{time:?}");
            // Half of the least rate, however steadily.
            let half = usize::try_from(pace.rate).unwrap() / 2;
            let (_, seen) = waited(pace, 400_000, half, Duration::from_secs(1));
            assert!(seen < 20_000, "{seen}");
            // However much came before.
            let last = Duration::from_secs(2);
            assert!(pace.due(1 << 20, last) <= last + pace.stall);
        }
    }
}
